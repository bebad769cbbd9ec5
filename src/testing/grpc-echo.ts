import { createServer } from 'node:net'

import {
  Client,
  Metadata,
  Server,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  ServerCredentials,
  credentials,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'

interface Echo {
  readonly text: string
  /** Answers of a stream; 0 for a call that is never answered. */
  readonly count?: number
}

const serialize = (value: Echo) => Buffer.from(JSON.stringify(value))
const deserialize = (bytes: Buffer) => JSON.parse(bytes.toString()) as Echo
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: serialize,
  requestDeserialize: deserialize,
  responseSerialize: serialize,
  responseDeserialize: deserialize,
})
const methods = {
  unary: method('Unary', false, false),
  down: method('Down', false, true),
  up: method('Up', true, false),
  both: method('Both', true, true),
}

/** A server of gRPC that takes connections which others have accepted, and tells of calls that were cancelled. */
export function grpcEchoServer(onCancelled: (text: string) => void) {
  const server = new Server()
  server.addService(methods, {
    unary(call: ServerUnaryCall<Echo, Echo>, answer: sendUnaryData<Echo>) {
      const { text, count } = call.request
      call.on('cancelled', () => onCancelled(text))
      if (count === 0) return
      if (text === 'fail') answer({ code: status.FAILED_PRECONDITION, details: 'no stock', metadata: metadata('sku', 'A-1') })
      else answer(null, { text }, metadata('trailer', text))
    },
    down(call: ServerWritableStream<Echo, Echo>) {
      for (let i = 0; i < (call.request.count ?? 0); i++) call.write({ text: `${call.request.text} ${i}` })
      call.end(metadata('trailer', 'down'))
    },
    up(call: ServerReadableStream<Echo, Echo>, answer: sendUnaryData<Echo>) {
      const texts: string[] = []
      call.on('data', ({ text }: Echo) => texts.push(text)).on('end', () => answer(null, { text: texts.join(' ') }))
    },
    both(call: ServerDuplexStream<Echo, Echo>) {
      call.on('data', ({ text }: Echo) => call.write({ text: `echo ${text}` })).on('end', () => call.end())
    },
  })
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  return createServer((socket) => injector.injectConnection(socket))
}

/** What a call came to. */
export interface GrpcResult {
  readonly texts: readonly string[]
  readonly code: number
  readonly details: string
  readonly trailers: Readonly<Record<string, unknown>>
}

/** Calls on one connection. Deadlines are milliseconds from now. */
export interface GrpcEchoClient extends Disposable {
  unary(request: Echo, options?: { readonly deadline?: number; readonly signal?: AbortSignal }): Promise<GrpcResult>
  down(request: Echo): Promise<GrpcResult>
  up(texts: readonly string[]): Promise<GrpcResult>
  /** Each text is sent when the answer to the one before has come. */
  both(texts: readonly string[]): Promise<GrpcResult>
}

export function grpcEchoClient(address: string): GrpcEchoClient {
  const client = new Client(address, credentials.createInsecure())
  return {
    unary(request, { deadline, signal } = {}) {
      const options = deadline === undefined ? {} : { deadline: Date.now() + deadline }
      return collect((done) => {
        const call = client.makeUnaryRequest(methods.unary.path, serialize, deserialize, request, new Metadata(), options, done)
        signal?.addEventListener('abort', () => call.cancel())
        return call
      })
    },
    down: (request) => collect(() => client.makeServerStreamRequest(methods.down.path, serialize, deserialize, request)),
    up: (texts) =>
      collect((done) => {
        const call = client.makeClientStreamRequest(methods.up.path, serialize, deserialize, done)
        for (const text of texts) call.write({ text })
        call.end()
        return call
      }),
    both: (texts) =>
      collect(() => {
        const call = client.makeBidiStreamRequest(methods.both.path, serialize, deserialize)
        const left = [...texts]
        const next = () => {
          const text = left.shift()
          if (text === undefined) call.end()
          else call.write({ text })
        }
        next()
        return call.on('data', next)
      }),
    [Symbol.dispose]: () => client.close(),
  }
}

interface Call {
  on(event: 'status', listener: (status: { code: number; details: string; metadata: Metadata }) => void): unknown
  on(event: 'data', listener: (message: Echo) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** A call ends with its status, whatever that is: an error of gRPC is a result here. */
function collect(start: (done: (error: unknown, message?: Echo) => void) => Call): Promise<GrpcResult> {
  return new Promise((resolve) => {
    const texts: string[] = []
    const call = start((_, message) => message && texts.push(message.text))
    call.on('data', ({ text }) => texts.push(text))
    call.on('error', () => {})
    call.on('status', ({ code, details, metadata: trailers }) =>
      setImmediate(() => resolve({ texts, code, details, trailers: trailers.getMap() })),
    )
  })
}

function metadata(name: string, value: string): Metadata {
  const result = new Metadata()
  result.set(name, value)
  return result
}
