import { once } from 'node:events'
import { type Socket, connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import { expect, onTestFinished, test } from 'vitest'

import { ClusterTestError } from '../support/errors.ts'
import { messageLimit } from './codec.ts'
import { readFrames, writeFrame } from './frames.ts'
import { listenForWorkers } from './listen.ts'
import { openWire } from './wire.ts'

const token = 'the token of this test'

interface Main {
  add(a: number, b: number): Promise<number>
  /** Resolves when `pass` is called. */
  wait(name: string, signal: AbortSignal): Promise<string>
  pass(name: string): Promise<void>
  fail(text?: string): Promise<never>
  answer(length: number): Promise<string>
}

test('calls of one connection run at the same time', async () => {
  const { worker } = await start()
  const waiting = worker.wait('a', new AbortController().signal)
  expect(await worker.add(1, 2)).toBe(3)
  await worker.pass('a')
  expect(await waiting).toBe('passed')
})

test('an error arrives with its code, hint and cause', async () => {
  const { worker } = await start()
  await expect(worker.fail()).rejects.toMatchObject({
    code: 'ERR_KUBE_NOT_FOUND',
    hint: 'Look again.',
    cause: { message: 'the cause' },
  })
})

test('an error arrives however long its text is', async () => {
  const { worker } = await start()
  const error = await worker.fail('x'.repeat(messageLimit / 2)).catch((each: Error) => each)
  expect(error).toMatchObject({ code: 'ERR_KUBE_NOT_FOUND', hint: 'Look again.' })
  expect(error.message.length).toBeLessThan(300_000)
})

test('a call that is aborted is so on the other side', async () => {
  const { worker, aborted } = await start()
  const abort = new AbortController()
  const waiting = worker.wait('a', abort.signal)
  await worker.add(1, 1)
  abort.abort(new ClusterTestError('ERR_SETUP_CANCELLED', 'The suite has ended.'))
  await expect(waiting).rejects.toMatchObject({ code: 'ERR_SETUP_CANCELLED', message: 'The suite has ended.' })
  expect(aborted).toEqual(['The suite has ended.'])
})

test('a call whose signal has aborted before is not made', async () => {
  const { worker, calls } = await start()
  await expect(worker.wait('a', AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late')
  await worker.add(1, 1)
  expect(calls).toEqual(['add'])
})

test('a worker that is gone aborts its calls', async () => {
  const { worker, socket, aborted } = await start()
  const waiting = worker.wait('a', new AbortController().signal)
  await worker.add(1, 1)
  socket.destroy()
  await expect(waiting).rejects.toMatchObject({ code: 'ERR_BROKER_CONNECTION_LOST', message: 'Main is gone.' })
  await expect.poll(() => aborted).toEqual(['The worker has exited.'])
  await expect(worker.add(1, 1)).rejects.toMatchObject({ code: 'ERR_BROKER_CONNECTION_LOST' })
})

test('what is too long is refused by name, and the connection goes on', async () => {
  const { worker } = await start()
  await expect(worker.pass('x'.repeat(messageLimit))).rejects.toThrow(/^What "pass" was given is 17 MB long/)
  await expect(worker.answer(messageLimit)).rejects.toThrow(/^An answer is 17 MB long/)
  expect((await worker.answer(messageLimit / 2)).length).toBe(messageLimit / 2)
})

test.for(['constructor', 'toString', '__proto__', 'then', 'hasOwnProperty'])('"%s" is no function of the other side', async (name) => {
  const { worker } = await start()
  const call = (worker as unknown as Record<string, () => Promise<unknown>>)['$call'] as (name: string) => Promise<unknown>
  await expect(call(name)).rejects.toThrow(`function "${name}" not found`)
})

test.for([
  ['null and a line feed', Buffer.from('null\n')],
  ['a request of HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
  ['an empty frame', Buffer.alloc(4)],
  ['a frame longer than any token', frame(Buffer.alloc(257))],
  ['a wrong token', frame(Buffer.from('another token'))],
  ['the start of the token', frame(Buffer.from(token.slice(0, -1)))],
  ['nothing but its end', Buffer.alloc(0)],
  ['half a header', Buffer.alloc(2)],
  ['half a token', frame(Buffer.from(token)).subarray(0, 12)],
] as const)('whoever sends %s is cut off', async ([, bytes]) => {
  const { port, workers } = await start()
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {}).resume()
  socket.end(bytes)
  await closed(socket)
  expect(workers).toHaveLength(1)
})

test('a stranger that goes on sending is cut off, and nothing of it is kept', async () => {
  const { port } = await start()
  const before = process.memoryUsage().rss
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {}).resume()
  const ended = closed(socket)
  const chunk = Buffer.alloc(1 << 20, 'x')
  for (let sent = 0; sent < 600 && !socket.destroyed; sent++)
    if (!socket.write(chunk)) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), ended])
  await ended
  expect(process.memoryUsage().rss - before).toBeLessThan(100 << 20)
})

test('a stranger that keeps its length back, or says nothing, is cut off in time', async () => {
  const { port, worker } = await start({ patience: 100 })
  const silent = connect(port, '127.0.0.1').resume()
  const slow = connect(port, '127.0.0.1').resume()
  slow.write(Buffer.from([0, 0, 0]))
  await Promise.all([closed(silent), closed(slow)])
  expect(await worker.add(1, 2)).toBe(3)
})

test('strangers make room for each other, and workers get in', async () => {
  const { port, join } = await start()
  const strangers = Array.from({ length: 80 }, () =>
    connect(port, '127.0.0.1')
      .on('error', () => {})
      .resume(),
  )
  await closed(strangers[0]!)
  expect(await (await join()).worker.add(1, 2)).toBe(3)
  for (const each of strangers) each.destroy()
})

test('a worker that sends what is no message is cut off, and others go on', async () => {
  const { worker, join } = await start()
  for (const bytes of ['null', '{"t":"q"}', '[]', '{', 'undefined']) {
    const { socket } = await join()
    writeFrame(socket, Buffer.from(bytes))
    await closed(socket)
  }
  expect(await worker.add(1, 2)).toBe(3)
})

test('signals abort that the other side has for all calls', async () => {
  const cancelled = new AbortController()
  const { worker } = await start({ signal: cancelled.signal })
  const waiting = worker.wait('a', new AbortController().signal)
  await worker.add(1, 1)
  cancelled.abort(new ClusterTestError('ERR_SETUP_CANCELLED', 'The run was cancelled by SIGINT.'))
  await expect(waiting).rejects.toThrow('The run was cancelled by SIGINT.')
})

async function start({ patience, signal }: { patience?: number; signal?: AbortSignal } = {}) {
  const workers: Socket[] = []
  const { functions, calls, aborted } = createFunctions()
  const listener = await listenForWorkers({
    token,
    ...(patience && { patience }),
    onWorker(socket) {
      workers.push(socket)
      return openWire(socket, { functions: () => functions, lost: 'The worker has exited.', ...(signal && { signal }) }).receive
    },
  })
  const { port } = listener
  const sockets: Socket[] = []
  const join = async () => {
    const socket = connect(port, '127.0.0.1')
    sockets.push(socket)
    await once(socket, 'connect')
    const { remote, receive } = openWire<Main, object>(socket, { functions: () => ({}), lost: 'Main is gone.' })
    readFrames(socket, () => messageLimit, receive)
    writeFrame(socket, Buffer.from(token))
    return { worker: remote, socket }
  }
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    listener[Symbol.dispose]()
  })
  const first = await join()
  await expect.poll(() => workers).toHaveLength(1)
  return { ...first, port, workers, calls, aborted, join }
}

function createFunctions() {
  const calls: string[] = []
  const aborted: string[] = []
  const waiting = new Map<string, (text: string) => void>()
  const functions: Main = {
    async add(a, b) {
      calls.push('add')
      return a + b
    },
    wait(name, signal) {
      calls.push('wait')
      return new Promise((resolve, reject) => {
        waiting.set(name, resolve)
        signal.addEventListener('abort', () => {
          aborted.push((signal.reason as Error).message)
          reject(signal.reason as Error)
        })
      })
    },
    async pass(name) {
      waiting.get(name)?.('passed')
    },
    async fail(text = 'It is not there.') {
      await sleep(1)
      throw new ClusterTestError('ERR_KUBE_NOT_FOUND', text, { cause: new Error('the cause'), hint: 'Look again.' })
    },
    answer: async (length) => 'x'.repeat(length),
  }
  return { functions, calls, aborted }
}

/** However it ends. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()))
}

function frame(content: Buffer): Buffer {
  const header = Buffer.alloc(4)
  header.writeUInt32BE(content.length)
  return Buffer.concat([header, content])
}
