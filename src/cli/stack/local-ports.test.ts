import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, type Server, connect, createServer } from 'node:net'
import { text } from 'node:stream/consumers'

import { expect, test } from 'vitest'

import { parsePorts, serversFor } from './local-ports.ts'

test('reads ports, and says what is wrong with them', () => {
  const parse = (value: string | undefined) => parsePorts('--port', value)
  expect(parse(undefined)).toEqual([])
  expect(parse('3000')).toEqual([{ port: undefined, local: 3000 }])
  expect(parse('http:3000, 9090:3001')).toEqual([
    { port: 'http', local: 3000 },
    { port: '9090', local: 3001 },
  ])
  for (const value of ['', '0', '65536', '-1', 'http', 'http:', ':3000', '3e3', 'http:3000,'])
    expect(() => parse(value)).toThrow(/^Expected --port to name a port of this machine, got /)
  expect(() => parsePorts('--bridge', '3000,3001')).toThrow('Expected each of several ports in --bridge to name its port of the pods')
})

const listen = async (server: Server) => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

test('passes connections on whole, half closed ones too, and resets when nobody listens', async () => {
  // Answers only when the other side has ended.
  const target = createServer({ allowHalfOpen: true }, (socket) => void text(socket).then((all) => socket.end(`got ${all.length}`)))
  const port = await listen(target)
  const forwarder = serversFor(parsePorts('--port', String(port))) as Server
  const way = await listen(forwarder)
  const socket = connect({ port: way, host: '127.0.0.1', allowHalfOpen: true })
  socket.end('x'.repeat(3_000_000))
  expect(await text(socket)).toBe('got 3000000')

  target.close()
  await once(target, 'close')
  const refused = connect({ port: way, host: '127.0.0.1' })
  const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException]
  expect(error.code).toBe('ECONNRESET')
  forwarder.close()
})

test('each named port has a server of its own', async () => {
  const http = createHttpServer((_, response) => response.end('http'))
  const port = await listen(http)
  const servers = serversFor(parsePorts('--port', `http:${port},9090:1`)) as Record<string, Server>
  expect(Object.keys(servers).toSorted()).toEqual(['9090', 'http'])
  expect(await (await fetch(`http://127.0.0.1:${await listen(servers['http']!)}`)).text()).toBe('http')
  for (const server of [...Object.values(servers), http]) server.close()
})
