import type { AddressInfo, Server, Socket } from 'node:net'

import { onTestFinished } from 'vitest'

import { type Junction, type JunctionOptions, startJunction } from '../bridge/junction/junction.ts'
import type { Endpoint } from '../bridge/rules/endpoint.ts'
import { messageOf } from '../support/errors.ts'

interface TestJunction extends Junction {
  readonly port: number
  readonly url: string
  /** What failed in the junction itself. */
  readonly problems: readonly string[]
}

/** Starts a server that is closed after the test. */
export async function serve(server: Server): Promise<Endpoint> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
}

/** A junction in front of an original. */
export async function junctionOf(server: Server, original?: JunctionOptions['original']): Promise<TestJunction> {
  const problems: string[] = []
  const endpoint = await serve(server)
  const junction = await startJunction({
    workload: 'deployment/shop',
    addresses: ['127.0.0.1'],
    original: original ?? (async () => endpoint),
    onProblem: (error) => problems.push(messageOf(error)),
  })
  onTestFinished(() => junction[Symbol.asyncDispose]())
  const { port } = junction.listeners[0]!
  return { ...junction, port, url: `http://127.0.0.1:${port}`, problems }
}

/** What has come on a connection when it is over, byte by byte, and how it ended. */
export async function receive(socket: Socket): Promise<{ readonly text: string; readonly end: 'end' | 'reset' }> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  const end = await new Promise<'end' | 'reset'>((resolve) => {
    socket.once('end', () => resolve('end'))
    socket.once('error', () => resolve('reset'))
    socket.once('close', () => resolve('reset'))
  })
  return { text: Buffer.concat(chunks).toString('latin1'), end }
}
