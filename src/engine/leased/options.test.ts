import { expect, test } from 'vitest'

import { describeHolder } from './namespace-lease.ts'
import { checkKubeconfigCluster, poolNames } from './options.ts'

const cluster = { kubeconfig: './config', context: 'staging', namespaces: { pool: 'it-{1..2}' } }

test('a pool stands for the names between its numbers', () => {
  expect(poolNames('it-{9..11}')).toEqual(['it-9', 'it-10', 'it-11'])
  expect(poolNames(['a-{1..2}', 'b', 'a-1'])).toEqual(['a-1', 'a-2', 'b'])
  expect(poolNames('it-{3..1}')).toEqual([])
})

test('what can be meant is taken', () => {
  checkKubeconfigCluster(undefined)
  checkKubeconfigCluster(cluster)
  checkKubeconfigCluster({ ...cluster, namespaces: { create: 'it-' }, relayImage: 'mirror.example.com/busybox:1.37' })
  for (const registry of ['localhost:5000', 'registry.example.com/team/it', 'registry:5000/team'])
    checkKubeconfigCluster({ ...cluster, registry })
})

test.for([
  ['staging', 'Expected option `cluster` to be { kubeconfig, context, namespaces }, got "staging" (string).'],
  [{ ...cluster, context: undefined }, 'Expected option `cluster.context` to be the name of a context, got null (null).'],
  [{ ...cluster, contexts: ['a'] }, 'Option `cluster` has no key "contexts".'],
  [{ ...cluster, relayImage: '' }, 'Expected option `cluster.relayImage` to be the name of an image, got "" (string).'],
  [
    { ...cluster, registry: 'team' },
    'Expected option `cluster.registry` to be a registry, such as registry.example.com/team, got "team" (string).',
  ],
  [
    { ...cluster, registry: 'registry:5000:5000' },
    'Expected option `cluster.registry` to be a registry, such as registry.example.com/team, got "registry:5000:5000" (string).',
  ],
  [{ ...cluster, namespaces: {} }, 'Expected option `cluster.namespaces` to be { pool } or { create }, got {} (object).'],
  [
    { ...cluster, namespaces: { pool: 'a', create: 'b' } },
    'Expected option `cluster.namespaces` to be { pool } or { create }, got {"pool":"a","create":"b"} (object).',
  ],
  [
    { ...cluster, namespaces: { create: 'It_' } },
    'Expected option `cluster.namespaces.create` to be the start of a name, of at most 40 of a-z, 0-9 and -, got "It_" (string).',
  ],
  [
    { ...cluster, namespaces: { pool: 'it-{3..1}' } },
    'Expected option `cluster.namespaces.pool` to be names of namespaces, got [] (array).',
  ],
  [{ ...cluster, namespaces: { pool: 'It' } }, 'Expected option `cluster.namespaces.pool` to be names of namespaces, got ["It"] (array).'],
] as const)('%j is refused', ([wrong, message]) => {
  expect(() => checkKubeconfigCluster(wrong)).toThrow(message)
})

test('whoever waits learns who to ask: the job of a CI system, or a person', () => {
  const github = { GITHUB_SERVER_URL: 'https://github.com', GITHUB_REPOSITORY: 'shop/orders', GITHUB_RUN_ID: '7' }
  expect(describeHolder('1a2b3c', github)).toBe('run 1a2b3c of https://github.com/shop/orders/actions/runs/7')
  expect(describeHolder('1a2b3c', { CI_JOB_URL: 'https://gitlab.example.com/-/jobs/7' })).toBe(
    'run 1a2b3c of https://gitlab.example.com/-/jobs/7',
  )
  expect(describeHolder('1a2b3c', {})).toMatch(/^run 1a2b3c of \S.*@\S+ \(process \d+\)$/)
})
