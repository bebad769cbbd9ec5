import { expect, test } from 'vitest'

import { type SuiteClusterOptions, checkOptions } from './options.ts'

test('takes what the docs show', () => {
  checkOptions({
    images: { orders: './orders', inventory: { build: './inventory', target: 'dev', buildArgs: { VERSION: '1' } }, cache: 'redis:8' },
    manifests: ['./k8s', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } }],
    seed: { 'statefulset/postgres': ['./schema.sql', './rows.sql'] },
    agents: 2,
    memory: 1e9,
    setupTimeout: 60_000,
    k3sArgs: ['--disable=servicelb'],
    ipFamily: 'dual',
    nodeEnv: { HTTPS_PROXY: 'http://proxy:3128' },
  })
})

test.for([
  [{ images: './orders' }, 'Expected option `images` to be an array of folders and image names, or an object, got "./orders" (string).'],
  [{ images: { orders: { folder: './x' } } }, 'Expected option `images.orders.build` to be a folder, got null (null).'],
  [{ images: { orders: { build: './x', tag: 'y' } } }, 'Option `images.orders` has no key "tag".'],
  [{ manifests: ['./k8s', 7] }, 'Expected option `manifests[1]` to be a path, a glob or an object, got 7 (number).'],
  [{ seed: { postgres: './a.sql' } }, 'Expected a workload as "kind/name", got "postgres".'],
  [
    { seed: { 'sts/postgres': 5 } },
    'Expected option `seed["sts/postgres"]` to be the path of an SQL file, or an array of such, got 5 (number).',
  ],
  [{ agents: 'two' }, 'Expected option `agents` to be a non-negative integer, got "two" (string).'],
  [{ agents: -1 }, 'Expected option `agents` to be a non-negative integer, got -1 (number).'],
  [{ ipFamily: 'ipv6' }, `Expected option \`ipFamily\` to be 'ipv4' or 'dual', got "ipv6" (string).`],
  [{ k3sArgs: ['--cluster-cidr=fd42::/56'] }, 'asks for a cluster with IPv6 alone'],
  [{ nodeEnv: { DEBUG: 1 } }, 'Expected option `nodeEnv` to be an object of strings, got {"DEBUG":1} (object).'],
  [{ memory: 0 }, 'Expected option `memory` to be a positive number of bytes, got 0 (number).'],
  [{ setupTimeout: null }, 'Expected option `setupTimeout` to be a positive number of milliseconds below 2 ** 31, got null (null).'],
] as const)('refuses %j', ([options, message]) => {
  expect(() => checkOptions(options as unknown as SuiteClusterOptions)).toThrow(message)
})
