import { expect, test } from 'vitest'

import type { RunOptions } from '../bridge/options.ts'
import { bridgeRequest, runRequest } from './bridge-request.ts'

const server = () => {}
const request = (options: object) => bridgeRequest('deployment/orders', options, '/tests')

test('paths are relative to the test file, and what is left out has its default', () => {
  expect(request({ command: ['node', 'a.ts'], cwd: 'src' })).toMatchObject({
    probes: 'original',
    timeout: 30_000,
    mirror: false,
    side: { kind: 'command', cwd: '/tests/src', files: true, env: {} },
  })
  expect(request({ server })).toMatchObject({ side: { kind: 'server', files: false } })
  expect(request({ build: './orders', files: 'all', ports: { http: 80 } })).toMatchObject({
    ports: { http: 80 },
    side: { kind: 'member', image: { build: '/tests/orders' }, files: 'all' },
  })
})

test('a server is refused ports, which stand with the server', () => {
  expect(() => request({ server, ports: { http: 3000 } })).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Option \`ports\` means nothing for the bridge of "deployment/orders".
    Hint: Name the port with the server: server: { 8080: app }.]
  `)
})

test.for([
  [{ server, publish: [3000] }, 'publish'],
  [{ server, cwd: '.' }, 'cwd'],
  [{ server, command: ['node'] }, 'command'],
  [{ container: 'mine', files: true }, 'files'],
  [{ container: 'mine', fromPod: [5432] }, 'fromPod'],
  [{ container: 'mine', command: ['node'] }, 'command'],
  [{ command: ['node'], mount: { '.': '/app' } }, 'mount'],
  [{ image: 'orders:dev', cwd: '.' }, 'cwd'],
  [{ image: 'orders:dev', probe: 'local' }, 'probe'],
] as const)('what would be ignored is refused: %j', ([options, name]) => {
  expect(() => request(options)).toThrow(
    `Option \`${name}\` means nothing for the bridge of "deployment/orders".\nHint: It takes "namespace", `,
  )
})

test('so it is for a local container that replaces nothing', () => {
  expect(() => runRequest({ image: 'postgres:17', ports: { 1: 2 } } as RunOptions, '/')).toThrow(
    'Option `ports` means nothing for `cluster.run`.',
  )
  expect(runRequest({ image: 'postgres:17', namespace: undefined }, '/')).toMatchObject({ image: 'postgres:17', files: true })
})
