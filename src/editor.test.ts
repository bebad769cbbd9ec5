import { join } from 'node:path'

import { expect, test } from 'vitest'

import { startLanguageServer } from './testing/language-server.ts'

const root = join(import.meta.dirname, '..')
/** Beside the sources, where the package's own name resolves; it exists in the editor alone. */
const file = join(root, 'src/editor-example.ts')

const text = `import { defineStack, describe, postgres, redis } from 'vitest-kubernetes'

describe.withCluster(
  'x',
  {
    images: ['./orders'],
    manifests: './k8s',
    services: { db: postgres({ database: 'shop', storage: 'persistent' }), cache: redis() },
    seed: { db: './seed.sql' },
    ready: { 'deployment/orders': { http: '/healthz' } },
    mount: { 'deployment/orders': { './src': { path: '/app', readOnly: true } } },
    charts: { shop: { chart: './chart', valuesFiles: './values.yaml' } },
    bridge: { 'deployment/orders': { command: ['node', 'server.ts'], probes: 'local', standIn: true } },
    cluster: 'shared',
    keep: 'on-failure',
    agents: 1,
    memory: 1e9,
    setupTimeout: 1000,
    timeout: 5000,
  },
  (test) => {
    test('x', async ({ cluster, request, bridges }) => {
      await request('orders').get('/')
      await cluster.sql('', 'select 1')
      cluster.url('orders')
      cluster.services.db.url
      await cluster.exec('deployment/orders', ['ls'], { reject: false })
      await cluster.bridge('deployment/orders', { server: () => {}, match: { path: '/api/*' } })
    })
  },
)
export const stack = defineStack({ kustomize: './overlay', secrets: './secrets.enc.yaml', seed: { db: './x.sql' } })
`

/** Place of a key or method in the text. */
function placeOf(code: string): number {
  const place = text.indexOf(code)
  expect(place, code).toBeGreaterThan(0)
  return place
}

test('an editor shows what each option and method is', { timeout: 60_000 }, async () => {
  await using server = await startLanguageServer(root)
  const documented = async (code: string) => /\n\S/.test((await server.hover(file, text, placeOf(code))).replace(/^```[\s\S]*?```/, ''))
  const keys = [
    ...['images:', 'manifests:', 'services:', 'seed: { db: ', 'ready:', 'mount:', 'charts:', 'bridge:', 'cluster:', 'keep:', 'agents:'],
    ...['memory:', 'setupTimeout:', 'database:', 'storage:', 'readOnly:', 'valuesFiles:', 'probes:', 'standIn:', 'kustomize:', 'secrets:'],
    ...['withCluster', 'sql(', 'url(', 'url\n', 'exec(', 'reject:', 'bridge(', 'match:', 'defineStack({'],
  ]
  const silent: string[] = []
  for (const key of keys) if (!(await documented(key))) silent.push(key)
  expect(silent).toEqual([])
})

test('an editor completes the names of services, and of workloads that the options name', { timeout: 60_000 }, async () => {
  await using server = await startLanguageServer(root)
  const example = join(root, 'src/completion-example.ts')
  const code = `import { describe, postgres, redis } from 'vitest-kubernetes'

describe.withCluster(
  'x',
  {
    services: { db: postgres(), cache: redis() },
    seed: { 'deployment/orders': { http: '/import', json: {} }, /*seed*/ },
    bridge: { 'deployment/web': { server: () => {} } },
  },
  (test) => {
    test('x', async ({ cluster, request, bridges }) => {
      await cluster.sql('/*sql*/', 'select 1')
      await cluster.bridge('/*bridge*/', { server: () => {} })
      await cluster.restart('/*restart*/')
      request('/*request*/')
      bridges['/*bridges*/']
      cluster.services./*services*/
    })
  },
)
`
  const completed = async (mark: string) => server.complete(example, code, code.indexOf(`/*${mark}*/`))
  // The question mark is the editor's, for a key that may be left out.
  expect(await completed('seed')).toEqual(expect.arrayContaining(['db?', 'cache?']))
  expect(await completed('services')).toEqual(expect.arrayContaining(['db', 'cache']))
  for (const mark of ['sql', 'bridge', 'restart'])
    expect(await completed(mark), mark).toEqual(expect.arrayContaining(['db', 'cache', 'deployment/orders', 'deployment/web']))
  expect(await completed('request')).toEqual(expect.arrayContaining(['db', 'cache']))
  expect(await completed('bridges')).toEqual(['deployment/web'])
})
