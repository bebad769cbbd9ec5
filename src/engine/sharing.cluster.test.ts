import { beforeAll, expect, test } from 'vitest'

import { findTraces, runVitest } from '../testing/run-vitest.ts'

let output: string

beforeAll(async () => {
  ;({ output } = await runVitest('shared', { args: ['--maxWorkers=2'] }).ended)
}, 180_000)

test('suites of two files are in one cluster, which gets their images once', () => {
  expect(output.match(/✓ .* cluster +k3d cluster /g)).toHaveLength(1)
  const clusters = output.match(/^in cluster \S+$/gm)
  expect(clusters).toHaveLength(2)
  expect(new Set(clusters).size).toBe(1)
  expect(output.match(/✓ .* import +2 images/g)).toHaveLength(1)
})

test('each has a namespace of its own: addresses, names, exec, bridges and releases of the same name do not meet', () => {
  expect(output).toMatch(/Tests {2}4 passed \| 3 skipped/)
})

test('an object outside of them that another suite has, or the cluster itself, is refused with both names', () => {
  expect(output).toMatch(
    /Suites "first" \(\S*shared-a\.suite\.ts\) and "same role" \(\S*shared-a\.suite\.ts\) share a cluster, and both declare ClusterRole "of-one-suite"\./,
  )
  expect(output).toMatch(
    /Suite "of the cluster itself" \(\S*shared-a\.suite\.ts\) shares a cluster, and declares ClusterRole "cluster-admin", which belongs to the cluster itself\./,
  )
  expect(output).not.toContain('Error: it ran')
})

test('an image that cannot be built in the cluster that runs is told of once', () => {
  expect(output.match(/^ClusterTestError: Building /gm)).toHaveLength(1)
  expect(output).not.toMatch(/nobody waits for|Unhandled/)
})

test('the run ends it', async () => {
  expect(output).toMatch(/✓ run teardown cluster "vk-/)
  expect(await findTraces(output)).toEqual([])
})
