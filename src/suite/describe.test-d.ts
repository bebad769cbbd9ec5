import { expectTypeOf, test as plain } from 'vitest'

import { describe } from './describe.ts'
import type { TestCluster } from './test-cluster.ts'

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

plain('every chain of describe has it', () => {
  expectTypeOf(describe.skip.withCluster).toEqualTypeOf(describe.withCluster)
  expectTypeOf(describe.only.withCluster).toEqualTypeOf(describe.withCluster)
  expectTypeOf(describe.concurrent.skip.withCluster).toEqualTypeOf(describe.withCluster)
  expectTypeOf(describe.skipIf(true).withCluster).toEqualTypeOf(describe.withCluster)
})

plain('wrong options are errors', () => {
  // @ts-expect-error an image is a folder or a name
  describe.withCluster('x', { images: [1] }, () => {})
  // @ts-expect-error agents is a number
  describe.withCluster('x', { agents: 'two' }, () => {})
  // @ts-expect-error no such option
  describe.withCluster('x', { manifest: './k8s' }, () => {})
})
