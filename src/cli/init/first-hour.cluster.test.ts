import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { runCommand } from '../../support/run-command.ts'
import { runVitest } from '../../testing/run-vitest.ts'

// A repository as people have it: workspaces, a service with Fastify and pg, unit tests, a strict tsconfig without skipLibCheck.
const repository = {
  'package.json': JSON.stringify({ name: 'shop', private: true, type: 'module', workspaces: ['services/*'] }),
  'tsconfig.json': JSON.stringify({
    compilerOptions: {
      ...{ strict: true, noEmit: true, target: 'es2024', module: 'nodenext', types: ['node'] },
      ...{ allowImportingTsExtensions: true, skipLibCheck: false },
    },
    include: ['services', 'test', 'vitest.config.ts'],
  }),
  'vitest.config.ts': `import { defineConfig } from 'vitest/config'\n\nexport default defineConfig({\n  test: { testTimeout: 30_000 },\n})\n`,
  'services/orders/package.json': JSON.stringify({
    ...{ name: 'orders', private: true, type: 'module' },
    dependencies: { fastify: '^5', pg: '^8' },
  }),
  'services/orders/src/app.ts': `import fastify from 'fastify'
import pg from 'pg'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL ?? 'postgres://app:app@db/app' })

export const app = fastify()
app.get('/healthz', () => 'ok')
app.post<{ Body: { sku: string } }>('/orders', async (request, reply) => {
  const { rows } = await pool.query<{ id: number }>('insert into orders (sku) values ($1) returning id', [request.body.sku])
  return reply.code(201).send(rows[0])
})
`,
  'services/orders/test/app.test.ts': `import { expect, test } from 'vitest'
import { app } from '../src/app.ts'

test('is well', async () => {
  expect((await app.inject('/healthz')).body).toBe('ok')
})
`,
  'k8s/orders.yaml': `apiVersion: apps/v1
kind: Deployment
metadata: { name: orders }
spec:
  selector: { matchLabels: { app: orders } }
  template:
    metadata: { labels: { app: orders } }
    spec:
      containers: [{ name: app, image: 'registry.example.com/shop/orders:1.4', ports: [{ containerPort: 3000 }] }]
---
apiVersion: v1
kind: Service
metadata: { name: orders }
spec: { selector: { app: orders }, ports: [{ name: http, port: 80, targetPort: 3000 }] }
`,
  '.gitignore': 'node_modules\n',
}

/** What the guide says to write next. */
const ownSuite = {
  'test/cluster/orders.sql': 'create table orders (id serial primary key, sku text not null);\n',
  'test/cluster/orders.test.ts': `import { describe, expect, postgres } from 'vitest-kubernetes'

import { app } from '../../services/orders/src/app.ts'

await app.ready()

describe.withCluster(
  'orders with a real database',
  {
    services: { db: postgres() },
    seed: { db: './orders.sql' },
    manifests: '../../k8s',
    bridge: { 'deployment/orders': { server: (request, response) => app.routing(request, response), standIn: true } },
  },
  (test) => {
    test('keeps an order', async ({ cluster, request }) => {
      await request('orders').post('/orders').send({ sku: 'A-1' }).expect(201, { id: 1 })
      expect(await cluster.sql<{ sku: string }>('db', 'select sku from orders')).toEqual([{ sku: 'A-1' }])
    })
  },
)
`,
}

const suites = ['first', 'orders with a real database']
let folder: string
const program = (name: string) => join(folder, 'node_modules/.bin', name)
const write = async (files: Readonly<Record<string, string>>) => {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content)
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shop-'))
  await write(repository)
  await runCommand('npm', ['run', 'build'])
  const [{ filename }] = JSON.parse(await runCommand('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder])) as [
    { filename: string },
  ]
  const packages = ['vitest@5', 'typescript@5.9', 'typescript-7@npm:typescript@7', '@types/node@24', '@types/pg@8', join(folder, filename)]
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error']
  await runCommand('npm', ['--prefix', folder, 'install', '--save-dev', ...quiet, ...packages])
}, 300_000)
afterAll(async () => {
  await runCommand(program('vitest-kubernetes'), ['templates', '--remove', ...suites])
  await rm(folder, { recursive: true, force: true })
})

test('after install, init and the guide, the first suites are green and types are checked', { timeout: 300_000 }, async () => {
  expect(await runCommand(program('vitest-kubernetes'), ['init', '--yes', folder])).toContain('Wrote')
  await write(ownSuite)
  // TypeScript 7 names its program so too.
  for (const typescript of ['typescript', 'typescript-7'])
    await runCommand(process.execPath, [join(folder, 'node_modules', typescript, 'bin/tsc'), '--project', folder])
  const { exitCode, output } = await runVitest('', { folder, vitest: join(folder, 'node_modules/vitest') }).ended
  expect(output).toMatch(/Tests +3 passed \(3\)/)
  expect(exitCode).toBe(0)
  // As init has it, later runs start from what this one has prepared.
  const again = await runVitest('', { folder, vitest: join(folder, 'node_modules/vitest') }).ended
  expect(again.output).toMatch(/Tests +3 passed \(3\)/)
  for (const suite of suites) expect(again.output).toContain(`, a fork of "${suite}"`)
})
