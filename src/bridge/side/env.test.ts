import { expect, test } from 'vitest'

import { parseEnviron, selectEnv } from './env.ts'
import { namesForProcess, rewriteNames } from './host-env.ts'
import { findName, findService } from './host-names.ts'
import { parseListeners } from './member.ts'

const env = { PATH: '/pod/bin', HOME: '/root', DB_HOST: 'postgres', DB_PASSWORD: 'p', FLAG: '1' }

test('keeps what describes the image of the container away, unless it is asked for', () => {
  expect(selectEnv(env)).toEqual({ DB_HOST: 'postgres', DB_PASSWORD: 'p', FLAG: '1' })
  expect(selectEnv(env, { include: ['PATH', 'DB_*'] })).toEqual({ PATH: '/pod/bin', DB_HOST: 'postgres', DB_PASSWORD: 'p' })
  expect(selectEnv(env, { exclude: ['DB_*'], set: { FLAG: null, NEW: '' } })).toEqual({ NEW: '' })
})

const address = (service: string, port: number, hostPort: number, namespace = 'default') => ({
  namespace,
  service,
  portName: '',
  port,
  host: '127.0.0.1',
  hostPort,
})
const addresses = [
  address('postgres', 5432, 40_001),
  address('redis', 6379, 40_002, 'cache'),
  address('api', 80, 40_003),
  address('api', 9000, 40_004),
]

test.for([
  ['http://api', 'http://127.0.0.1:40003'],
  ['http://api:9000/v1?x=api', 'http://127.0.0.1:40004/v1?x=api'],
  ['http://api:81', 'http://api:81'],
  ['postgres://u:p@postgres/shop', 'postgres://u:p@127.0.0.1:40001/shop'],
  ['redis://redis.cache.svc.cluster.local:6379', 'redis://127.0.0.1:40002'],
  ['redis://redis', 'redis://redis'],
  ['api:80,api:9000', '127.0.0.1:40003,127.0.0.1:40004'],
  ['https://example.com/api', 'https://example.com/api'],
  ['the api is fine', 'the api is fine'],
] as const)('rewrites %s to %s', ([from, to]) => {
  expect(rewriteNames({ VALUE: from }, addresses, 'default')).toEqual({ VALUE: to })
})

test('rewrites a host together with its port', () => {
  expect(rewriteNames({ PGHOST: 'postgres' }, addresses, 'default')).toEqual({ PGHOST: '127.0.0.1', PGPORT: '40001' })
  expect(rewriteNames({ API_HOST: 'api', API_PORT: '9000' }, addresses, 'default')).toEqual({ API_HOST: '127.0.0.1', API_PORT: '40004' })
  expect(rewriteNames({ API_HOST: 'api' }, addresses, 'default')).toEqual({ API_HOST: 'api' })
})

test('Node.js keeps the names and gets a module that knows them', () => {
  const names = { addresses: () => addresses, addressesFile: '/run/addresses.json' }
  const result = namesForProcess(['/usr/bin/node', 'server.ts'], { URL: 'http://api' }, names, 'default')
  expect(result).toMatchObject({ URL: 'http://api', NODE_OPTIONS: expect.stringMatching(/--import=file:.*host-names-preload/) })
  expect(JSON.parse(result['VITEST_KUBERNETES_NAMES']!)).toEqual({ file: '/run/addresses.json', namespace: 'default' })
})

test.for([
  ['postgres', 'postgres'],
  ['Postgres.default.svc.cluster.local.', 'postgres'],
  ['redis.cache', 'redis'],
  ['redis', undefined],
  ['postgres.default.pod', undefined],
  ['postgres.example.com', undefined],
  ['localhost', undefined],
] as const)('%s means %s', ([name, service]) => {
  expect(findService(addresses, 'default', name)?.[0]?.service).toBe(service)
})

test.for([
  ['shop.localhost', 'ingress'],
  ['Red.Shop.localhost', 'ingress'],
  ['a.red.shop.localhost', undefined],
  ['localhost', undefined],
  // What pods know goes first.
  ['postgres', 'postgres'],
] as const)('%s means %s where Ingresses have hosts', ([name, service]) => {
  const routes = ['shop.localhost', '*.shop.localhost', 'postgres', ''].map((host) => ({ host }))
  const serving = { namespace: 'default', service: 'ingress', port: 80, host: '127.0.0.1', hostPort: 4000, routes }
  expect(findName([...addresses, serving], 'default', name)?.[0]?.service).toBe(service)
})

test('reads listeners from the tables of the kernel', () => {
  const tables = `tcp
  sl  local_address rem_address   st tx_queue
   0: 00000000:0BB8 00000000:0000 0A 00000000:00000000 00:00000000
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000
   2: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000
tcp6
   0: 00000000000000000000000001000000:2382 00000000000000000000000000000000:0000 0A 00000000:00000000
   1: 00000000000000000000000000000000:2383 00000000000000000000000000000000:0000 0A 00000000:00000000
   2: 0000000000000000FFFF0000050014AC:2384 00000000000000000000000000000000:0000 0A 00000000:00000000
udp
   5: 00000000:14E9 00000000:0000 07 00000000:00000000`
  expect(parseListeners(tables)).toEqual([
    { protocol: 'tcp', port: 3000, isLoopback: false, isIPv6: false },
    { protocol: 'tcp', port: 8080, isLoopback: true, isIPv6: false },
    { protocol: 'tcp', port: 9090, isLoopback: true, isIPv6: true },
    { protocol: 'tcp', port: 9091, isLoopback: false, isIPv6: true },
    { protocol: 'tcp', port: 9092, isLoopback: false, isIPv6: false },
    { protocol: 'udp', port: 5353, isLoopback: false, isIPv6: false },
  ])
})

test('an environment is read byte for byte, and what is no text is named', () => {
  const text = ['PLAIN=a', 'EMPTY=', 'LINES=one\ntwo\n', 'SIGNS=a$b"c\'d = x', 'WORD=grün 🚀', 'no entry', ''].join('\0')
  const bytes = Buffer.concat([Buffer.from(text), Buffer.from('BYTES='), Buffer.from([0xff, 0xfe, 0])])
  expect(parseEnviron(bytes)).toEqual({
    env: { PLAIN: 'a', EMPTY: '', LINES: 'one\ntwo\n', SIGNS: 'a$b"c\'d = x', WORD: 'grün 🚀' },
    broken: ['BYTES'],
  })
})
