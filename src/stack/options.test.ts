import { expect, test } from 'vitest'

import { type SuiteClusterOptions, checkOptions } from './options.ts'

test('takes what the docs show', () => {
  checkOptions({
    images: { orders: './orders', inventory: { build: './inventory', target: 'dev', buildArgs: { VERSION: '1' } }, cache: 'redis:8' },
    manifests: ['./k8s', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } }],
    kustomize: './overlays/test',
    charts: {
      shop: './charts/shop',
      search: { chart: 'search', repo: 'https://charts.example.com', values: { a: [1, null, { b: undefined }] } },
    },
    secrets: ['./k8s/keys.enc.yaml', { 'shop-keys': './shop.enc.env' }],
    sops: { ageKeyFile: './test.agekey' },
    seed: { 'statefulset/postgres': ['./schema.sql', './rows.sql'] },
    cluster: 'shared',
    keep: 'on-failure',
    keepFor: 60_000,
    agents: 2,
    memory: 1e9,
    setupTimeout: 60_000,
    k3sArgs: ['--disable=servicelb'],
    ingress: false,
    ipFamily: 'dual',
    nodeEnv: { HTTPS_PROXY: 'http://proxy:3128' },
  })
})

test.for([
  [{ images: './orders' }, 'Expected option `images` to be an array of folders and image names, or an object, got "./orders" (string).'],
  [{ images: { orders: { folder: './x' } } }, 'Expected option `images.orders.build` to be a folder, got null (null).'],
  [{ images: { orders: { build: './x', tag: 'y' } } }, 'Option `images.orders` has no key "tag".'],
  [{ manifests: ['./k8s', 7] }, 'Expected option `manifests[1]` to be a path, a glob or an object, got 7 (number).'],
  [{ kustomize: [1] }, 'Expected option `kustomize` to be a folder, or an array of folders, got [1] (array).'],
  [{ charts: { Shop: './x' } }, 'Expected option `charts` to be an object with names of releases as keys'],
  [{ charts: { shop: { folder: './x' } } }, 'Option `charts["shop"]` has no key "folder".'],
  [{ charts: { shop: {} } }, 'Expected option `charts["shop"].chart` to be a folder, an archive, or the name of a chart, got null (null).'],
  [{ charts: { shop: { chart: '--debug' } } }, 'Expected option `charts["shop"].chart` to be'],
  [
    { charts: { shop: { chart: './x', values: { a: { b: [Number.NaN] } } } } },
    'Expected option `charts["shop"].values.a.b.0` to be a string, a finite',
  ],
  [
    { charts: { shop: { chart: './x', values: { at: new Date(0) } } } },
    'Expected option `charts["shop"].values.at` to be a string, a finite',
  ],
  [{ secrets: [{ keys: 5 }] }, 'Expected option `secrets[0]` to be a path, a glob or an object from the name of a Secret to a file'],
  [{ sops: { key: 'x' } }, 'Option `sops` has no key "key".'],
  [{ seed: { postgres: './a.sql' } }, 'Expected a workload as "kind/name", got "postgres".'],
  [
    { seed: { 'sts/postgres': 5 } },
    'Expected option `seed["sts/postgres"]` to be the path of a file, { exec }, { http } or { job }, got 5 (number).',
  ],
  [
    { seed: { 'sts/postgres': { exec: ['import'], durable: 'yes' } } },
    'Expected option `seed["sts/postgres"].durable` to be true or false, got "yes" (string).',
  ],
  [{ cluster: 'mine' }, `Expected option \`cluster\` to be 'own', 'shared' or 'up', got "mine" (string).`],
  [{ keep: true }, "Expected option `keep` to be 'never', 'on-failure' or 'always', got true (boolean)."],
  [{ keepFor: 0 }, 'Expected option `keepFor` to be a positive number of milliseconds, got 0 (number).'],
  [{ agents: 'two' }, 'Expected option `agents` to be a non-negative integer, got "two" (string).'],
  [{ agents: -1 }, 'Expected option `agents` to be a non-negative integer, got -1 (number).'],
  [{ ipFamily: 'ipv6' }, `Expected option \`ipFamily\` to be 'ipv4' or 'dual', got "ipv6" (string).`],
  [{ k3sArgs: ['--cluster-cidr=fd42::/56'] }, 'asks for an IPv6-only cluster'],
  [{ nodeEnv: { DEBUG: 1 } }, 'Expected option `nodeEnv` to be an object of strings, got {"DEBUG":1} (object).'],
  [{ ingress: 'traefik' }, 'Expected option `ingress` to be true or false, got "traefik" (string).'],
  [{ memory: 0 }, 'Expected option `memory` to be a positive number of bytes, got 0 (number).'],
  [{ setupTimeout: null }, 'Expected option `setupTimeout` to be a positive number of milliseconds below 2 ** 31, got null (null).'],
] as const)('refuses %j', ([options, message]) => {
  expect(() => checkOptions(options as unknown as SuiteClusterOptions)).toThrow(message)
})
