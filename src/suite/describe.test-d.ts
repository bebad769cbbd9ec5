import { createSocket } from 'node:dgram'

import { expectTypeOf, test as plain } from 'vitest'

import { defineStack } from '../client/define-stack.ts'
import type { TestCluster } from '../client/test-cluster.ts'
import { postgres } from '../stack/services/postgres.ts'
import { redis } from '../stack/services/redis.ts'
import { describe } from './describe.ts'

plain('describe.withCluster infers from its options', () => {
  describe.withCluster('x', { timeout: 1000, agents: 1, seed: { 'statefulset/postgres': './a.sql' } }, (test) => {
    test('x', ({ cluster, request, task }) => {
      expectTypeOf(cluster).toEqualTypeOf<TestCluster<'statefulset/postgres'>>()
      expectTypeOf(request('orders').get).toBeFunction()
      expectTypeOf(task.name).toEqualTypeOf<string>()
      expectTypeOf(cluster.sql<{ n: number }>('statefulset/postgres', 'select 1 as n')).resolves.toEqualTypeOf<{ n: number }[]>()
    })
    test.for([1, 2])('%i', (n, { cluster }) => {
      expectTypeOf(n).toEqualTypeOf<number>()
      expectTypeOf(cluster.url('orders', 'http')).toEqualTypeOf<string>()
    })
  })
})

plain('hooks of the suite and of its tests take what tests take', () => {
  describe.withCluster('x', { services: { db: postgres() } }, (test) => {
    test.beforeAll(({ cluster, request, bridges }, suite) => {
      expectTypeOf(cluster.services.db.port).toEqualTypeOf<number>()
      expectTypeOf(request('orders').get).toBeFunction()
      expectTypeOf(Object.keys(bridges)).toEqualTypeOf<string[]>()
      expectTypeOf(suite.name).toEqualTypeOf<string>()
    })
    test.afterAll(({ cluster }) => cluster.reset('db'))
    test.aroundAll(async (runSuite, { cluster }) => {
      expectTypeOf(cluster.name).toEqualTypeOf<string>()
      await runSuite()
    })
    test.aroundEach(async (runTest, { cluster }) => {
      await cluster.reset('db')
      await runTest()
    })
  })
})

plain('the services of a stack, and functions among its seeds', () => {
  const stack = defineStack({
    services: { db: postgres(), cache: redis() },
    seed: [
      { db: './a.sql' },
      async ({ cluster }) => {
        expectTypeOf(cluster.services.db.database).toEqualTypeOf<string>()
        await cluster.reset('db')
      },
    ],
  })
  describe.withCluster('x', { ...stack, timeout: 1000 }, (test) => {
    test('x', async ({ cluster }) => {
      expectTypeOf(cluster.services.db.inCluster.url).toEqualTypeOf<string>()
      expectTypeOf(cluster.services.cache.password).toEqualTypeOf<string | undefined>()
      // @ts-expect-error no such service
      expectTypeOf(cluster.services.bd)
    })
  })
  describe.withCluster('x', { services: { db: postgres() }, seed: ({ cluster }) => cluster.sql('db', 'select 1') }, (test) => {
    test('x', ({ cluster }) => expectTypeOf(cluster.services.db.port).toEqualTypeOf<number>())
  })
  // @ts-expect-error a service is made by a function
  describe.withCluster('x', { services: { db: { image: 'postgres' } } }, () => {})
})

plain('every chain of describe has it', () => {
  expectTypeOf(describe.skip.withCluster).toEqualTypeOf(describe.withCluster)
  expectTypeOf(describe.only.withCluster).toEqualTypeOf(describe.withCluster)
  expectTypeOf(describe.concurrent.skip.withCluster).toEqualTypeOf(describe.withCluster)
  expectTypeOf(describe.skipIf(true).withCluster).toEqualTypeOf(describe.withCluster)
})

plain('what a bridge can be', () => {
  const server = createSocket('udp4')
  describe.withCluster(
    'x',
    { bridge: { 'deployment/a': { build: '.', standIn: true }, 'deployment/b': { server, files: true } } },
    (test) => {
      test('x', async ({ cluster, bridges }) => {
        expectTypeOf(bridges['deployment/a'].env).toEqualTypeOf<() => Promise<Readonly<Record<string, string>>>>()
        expectTypeOf(bridges['deployment/b'].root).toEqualTypeOf<string | undefined>()
        expectTypeOf(cluster.env('deployment/a', { include: ['A_*'] })).resolves.toEqualTypeOf<Readonly<Record<string, string>>>()
        await cluster.bridge('deployment/a', { command: ['node'], files: false, env: { exclude: ['A'] } })
        // @ts-expect-error a stand-in is for the suite's own bridges: the workload runs already
        await cluster.bridge('deployment/a', { build: '.', standIn: true })
        // @ts-expect-error a container that runs already keeps its files
        await cluster.bridge('deployment/a', { container: 'mine', files: true })
        // @ts-expect-error another workload's environment has its own name
        await cluster.env('deployment/a', { from: 'deployment/b' })
      })
    },
  )
})

plain('wrong options are errors', () => {
  // @ts-expect-error an image is a folder or a name
  describe.withCluster('x', { images: [1] }, () => {})
  // @ts-expect-error agents is a number
  describe.withCluster('x', { agents: 'two' }, () => {})
  // @ts-expect-error no such option
  describe.withCluster('x', { manifest: './k8s' }, () => {})
})
