import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'

import { type Random, createRandom } from '../../../scripts/fuzz/random.ts'
import { readProgram } from '../../docker/read-program.ts'
import { reset } from '../../support/reset-socket.ts'
import { type Tunnel, openTunnel } from './tunnel.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tunnel-'))
  await writeFile(join(folder, 'relay'), await readProgram('relay', process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64'))
  await chmod(join(folder, 'relay'), 0o755)
})
afterAll(() => rm(folder, { recursive: true }))

function startTunnel(): Tunnel {
  const { stdin, stdout } = spawn(join(folder, 'relay'), ['tunnel'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const tunnel = openTunnel(Duplex.from({ writable: stdin, readable: stdout }), (chunk) => [chunk])
  onTestFinished(() => tunnel.close())
  return tunnel
}

async function listen(onConnection: (socket: Socket) => void, allowHalfOpen = true): Promise<number> {
  const server: Server = createServer({ allowHalfOpen }, (socket) => onConnection(socket.on('error', () => {})))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** A port of this machine that leads through a tunnel to another one. */
function lead(tunnel: Tunnel, port: number): Promise<number> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (local) => tunnel.join(local, `127.0.0.1:${port}`))
  onTestFinished(() => void server.close())
  return once(server.listen(0, '127.0.0.1'), 'listening').then(() => (server.address() as AddressInfo).port)
}

/** What a client reads, and how that ends. */
async function readAll(socket: Socket): Promise<{ readonly bytes: Buffer; readonly end: string }> {
  const parts: Buffer[] = []
  try {
    for await (const part of socket) parts.push(part as Buffer)
    return { bytes: Buffer.concat(parts), end: 'end' }
  } catch (error) {
    return { bytes: Buffer.concat(parts), end: (error as NodeJS.ErrnoException).code ?? 'error' }
  }
}

const open = (port: number) => connect({ port, host: '127.0.0.1', allowHalfOpen: true })

test('bytes go both ways, and one direction ends before the other', async () => {
  const port = await listen(async (socket) => {
    const { bytes } = await readAll(socket)
    socket.end(`got ${bytes.toString()}`)
  })
  const client = open(await lead(startTunnel(), port))
  client.end('hello')
  expect(await readAll(client)).toEqual({ bytes: Buffer.from('got hello'), end: 'end' })
})

test('the other end may speak first, and end first', async () => {
  const heard = Promise.withResolvers<Buffer>()
  const port = await listen(async (socket) => {
    socket.end('welcome')
    heard.resolve((await readAll(socket)).bytes)
  })
  const client = open(await lead(startTunnel(), port))
  expect(await readAll(client)).toEqual({ bytes: Buffer.from('welcome'), end: 'end' })
  client.end('late')
  expect(String(await heard.promise)).toBe('late')
})

test('a port where nobody listens resets; whoever asks is told', async () => {
  const port = await listen(() => {})
  const tunnel = startTunnel()
  expect(await tunnel.reaches(`127.0.0.1:${port}`)).toBe(true)
  expect(await tunnel.reaches('127.0.0.1:1')).toBe(false)
  expect((await readAll(open(await lead(tunnel, 1)))).end).toBe('ECONNRESET')
})

test('resets pass, in either direction, after what came before', async () => {
  const ended = Promise.withResolvers<string>()
  const port = await listen((socket) => {
    socket.write('first')
    socket.once('data', () => socket.resetAndDestroy())
    socket.once('error', (error: NodeJS.ErrnoException) => ended.resolve(error.code!))
  })
  const through = await lead(startTunnel(), port)
  const client = open(through)
  client.once('data', () => client.write('reset me'))
  expect(await readAll(client)).toEqual({ bytes: Buffer.from('first'), end: 'ECONNRESET' })
  const other = open(through)
  other.once('data', () => other.resetAndDestroy())
  expect(await ended.promise).toBe('ECONNRESET')
})

test('what a client has sent before it resets comes first', async () => {
  const heard: Promise<number>[] = []
  const port = await listen((socket) => {
    socket.write('unread')
    heard.push(readAll(socket).then(({ bytes }) => bytes.length))
  })
  const through = await lead(startTunnel(), port)
  for (let index = 0; index < 50; index++) {
    const client = open(through)
    await once(client, 'readable')
    client.write(Buffer.alloc(60_000))
    // With bytes that it has not read, its end is a reset.
    setImmediate(() => client.destroy())
    await once(client, 'close')
  }
  expect((await Promise.all(heard)).filter((size) => size === 60_000)).toHaveLength(50)
})

test('whoever goes on sending to a server that has answered and closed is reset', async () => {
  const port = await listen((socket) => {
    socket.end('too large')
    setTimeout(() => socket.destroy(), 100)
  })
  const client = open(await lead(startTunnel(), port))
  const closed = new Promise<string>((resolve) => client.once('error', (error: NodeJS.ErrnoException) => resolve(error.code!)))
  const send = () => {
    while (!client.destroyed && client.write(Buffer.alloc(65_536)));
  }
  client.on('drain', send).resume()
  send()
  expect(['ECONNRESET', 'EPIPE']).toContain(await closed)
})

test('300 MB go to a reader who stops, who holds up nobody else, and nothing is kept beyond the window', async () => {
  const piece = randomBytes(1 << 20)
  const hash = createHash('sha256')
  let sent = 0
  const port = await listen(async (socket) => {
    for (let index = 0; index < 300 && !socket.destroyed; index++) {
      hash.update(piece)
      if (!socket.write(piece)) await once(socket, 'drain')
      sent = index + 1
    }
    socket.end()
  })
  const echo = await listen((socket) => socket.pipe(socket))
  const tunnel = startTunnel()
  const client = open(await lead(tunnel, port))
  client.pause()
  await once(client, 'connect')
  await sleep(1000)
  expect(sent).toBeLessThan(40)
  const other = open(await lead(tunnel, echo))
  other.end('not held up')
  expect(String((await readAll(other)).bytes)).toBe('not held up')
  const received = createHash('sha256')
  for await (const part of client) received.update(part as Buffer)
  expect(received.digest('hex')).toBe(hash.digest('hex'))
})

test('500 connections at once keep their bytes apart', async () => {
  const port = await listen((socket) => socket.pipe(socket))
  const through = await lead(startTunnel(), port)
  const results = await Promise.all(
    Array.from({ length: 500 }, async (_, index) => {
      const text = Buffer.alloc(1 + ((index * 7919) % 200_000), String(index))
      const client = open(through)
      client.end(text)
      const { bytes, end } = await readAll(client)
      return end === 'end' && bytes.equals(text)
    }),
  )
  expect(results.filter(Boolean)).toHaveLength(500)
})

/** What one end does: pieces with pauses, and how it ends. */
function createPlan(random: Random) {
  const pieces = Array.from({ length: random.below(6) }, () => ({
    bytes: randomBytes(random.below(random.pick([10, 5_000, 300_000]))),
    pause: random.once(3) ? random.below(20) : 0,
  }))
  return { pieces, isReset: random.once(4), sent: Buffer.concat(pieces.map(({ bytes }) => bytes)) }
}

async function follow(socket: Socket, { pieces, isReset }: ReturnType<typeof createPlan>): Promise<void> {
  for (const { bytes, pause } of pieces) {
    if (socket.destroyed) return
    if (!socket.write(bytes)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => undefined)
    if (pause > 0) await sleep(pause)
  }
  if (isReset) reset(socket)
  else socket.end()
}

test('400 connections by chance: what comes is what was sent, all of it where nobody resets, and ends are told apart', async () => {
  const random = createRandom(20261130)
  const plans = Array.from({ length: 400 }, () => ({ client: createPlan(random), server: createPlan(random) }))
  const heard = new Map<number, ReturnType<typeof readAll>>()
  const port = await listen(async (socket) => {
    // Nothing, where the client's reset is faster than its number.
    const [number] = (await once(socket, 'data').catch(() => [])) as Buffer[]
    if (!number) return
    socket.pause()
    if (number.length > 4) socket.unshift(number.subarray(4))
    const index = number.readUInt32BE()
    heard.set(index, readAll(socket))
    await follow(socket, plans[index]!.server)
  })
  const through = await lead(startTunnel(), port)
  const wrong: string[] = []
  const connectOnce = async (index: number) => {
    const { client, server } = plans[index]!
    const socket = open(through)
    const read = readAll(socket)
    const number = Buffer.alloc(4)
    number.writeUInt32BE(index)
    socket.write(number)
    await follow(socket, client)
    for (const [who, { bytes, end }, from] of [
      ['client', await read, server],
      ['server', (await heard.get(index)) ?? { bytes: Buffer.alloc(0), end: 'ECONNRESET' }, client],
    ] as const) {
      const isPrefix = from.sent.subarray(0, bytes.length).equals(bytes)
      const isWhole = bytes.length === from.sent.length && end === 'end'
      if (!isPrefix || (!client.isReset && !server.isReset && !isWhole))
        wrong.push(`${index} ${who} ${bytes.length} of ${from.sent.length} ${end}`)
    }
  }
  for (let first = 0; first < plans.length; first += 50)
    await Promise.all(Array.from({ length: 50 }, (_, offset) => connectOnce(first + offset)))
  expect(wrong).toEqual([])
})

test('all connections are reset when the program ends, and new ones too', async () => {
  const port = await listen((socket) => socket.write('hello'))
  const tunnel = startTunnel()
  const through = await lead(tunnel, port)
  const client = open(through)
  await once(client, 'data')
  tunnel.close()
  expect((await readAll(client)).end).toBe('ECONNRESET')
  expect((await readAll(open(through))).end).toBe('ECONNRESET')
  expect(tunnel.isClosed).toBe(true)
  expect(await tunnel.reaches(`127.0.0.1:${port}`)).toBe(false)
})

test('300 connections whose other ends do not read leave less waiting there than a pod has memory', async () => {
  let waiting = 0
  // What a relay has to keep, where nothing is passed on.
  const silent = new Duplex({
    read: () => {},
    write(message: Buffer, _encoding, done) {
      if (message.toString('latin1', 8, 9) === 'd') waiting += message.length
      done()
    },
  })
  const tunnel = openTunnel(silent, (chunk) => [chunk])
  onTestFinished(() => tunnel.close())
  const port = await lead(tunnel, 1)
  const bytes = Buffer.alloc(8 << 20)
  const sockets = Array.from({ length: 300 }, () => open(port).on('error', () => {}))
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()))
  for (const socket of sockets) socket.write(bytes)
  let before = -1
  while (waiting === 0 || before !== waiting) {
    before = waiting
    await sleep(500)
  }
  expect(waiting).toBeGreaterThan(32 << 20)
  expect(waiting).toBeLessThan(150 << 20)
})
