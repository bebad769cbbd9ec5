import { expect, test } from 'vitest'

import { readHostLimits } from '../cluster/host-limits.ts'
import { checkHost } from './checks.ts'
import { formatChecks } from './doctor.ts'
import type { EngineFacts, HostFacts } from './host-facts.ts'

const engine: EngineFacts = {
  version: '29.1.0',
  apiVersion: '1.52',
  minApiVersion: '1.44',
  cgroupVersion: 2,
  isRootless: false,
  isDesktop: false,
  elsewhere: undefined,
  processors: 8,
  memory: 16e9,
  subnets: { free: 29, all: 31 },
  disk: { folder: '/var/lib/docker', free: 60e9, size: 100e9 },
  deadRuns: 0,
  templates: [],
}
const facts: HostFacts = {
  node: '24.1.0',
  engine,
  k3d: { version: '5.9.0' },
  limits: { freeMemory: 8e9, isMeasured: true, inotifyInstances: 512, inotifyWatches: 524_288, systemFiles: 1e6, openFiles: 4096 },
  env: {},
  programs: { helm: '4.0.0', sops: '3.11.0', kubectl: '1.36.0' },
}

/** What is not as it should be. */
const findings = (changes: Partial<HostFacts>) =>
  checkHost({ ...facts, ...changes })
    .filter(({ status }) => status !== 'ok')
    .map(({ name, status, text, fix }) => `${name} ${status}: ${text}${fix ? ` → ${fix}` : ''}`)
const ofEngine = (changes: Partial<EngineFacts>) => findings({ engine: { ...engine, ...changes } })

test('has nothing to say of a machine that is as it should be', () => {
  expect(findings({})).toEqual([])
  expect(formatChecks(checkHost(facts))).toContain('11 small clusters at a time')
})

test('names what is missing, with the cure', () => {
  expect(findings({ engine: { error: 'No Docker engine answers: connect ENOENT.', hint: 'Start Docker.' } })).toEqual([
    'Docker failed: No Docker engine answers: connect ENOENT. → Start Docker.',
  ])
  expect(findings({ k3d: { version: '4.4.8' } })).toEqual(['k3d failed: 4.4.8 is not supported. → Install k3d 5: https://k3d.io'])
  expect(findings({ node: '22.3.0', programs: { helm: undefined } })).toEqual([
    'Node.js failed: 22.3.0 is too old. → Install Node.js 24 or later.',
    'helm info: not found; only needed for charts: https://helm.sh/docs/intro/install',
  ])
  expect(ofEngine({ version: '20.10.4', cgroupVersion: 1, subnets: { free: 0, all: 31 }, deadRuns: 2 })).toEqual([
    expect.stringMatching(/^Docker failed: 20\.10\.4, .*: too old\. → Update Docker to 20\.10\.5/),
    expect.stringMatching(/^cgroup warning: version 1\. kubelet 1\.35 and later refuse/),
    expect.stringMatching(/^address pools failed: 0 of 31 networks free .* → docker network prune/),
    expect.stringMatching(/^leftovers warning: 2 dead runs have left something behind → npx vitest-kubernetes prune/),
  ])
  const full = ofEngine({ disk: { folder: '/d', free: 4e9, size: 100e9 }, templates: [7e8, 3e8] })
  expect(full).toEqual([expect.stringMatching(/ 2 templates of clusters, 1\.0 GB: npx vitest-kubernetes templates --remove\.$/)])
  expect(ofEngine({ isDesktop: true })).toEqual([
    expect.stringMatching(/^bridges info: Docker Desktop runs containers in a virtual machine/),
  ])
  expect(ofEngine({ elsewhere: 'tcp://docker:2376' })).toEqual([
    expect.stringMatching(/^ports info: the engine is at tcp:\/\/docker:2376: the ports that it publishes are forwarded/),
  ])
  expect(ofEngine({ isRootless: true })).toEqual([expect.stringMatching(/^bridges info: Rootless Docker/)])
  expect(ofEngine({ disk: { folder: '/d', free: 4e9, size: 100e9 } })).toEqual([
    expect.stringMatching(/^disk failed: 4\.0 GB free in \/d \(4 %\)/),
  ])
})

test('names both versions where DOCKER_API_VERSION does not fit the engine', () => {
  expect(findings({ env: { DOCKER_API_VERSION: '1.43' } })[0]).toMatch(
    /^Docker API warning: .* asks for 1\.43, and the engine has 1\.44 to 1\.52\./,
  )
  expect(findings({ env: { DOCKER_API_VERSION: '1.53' } })[0]).toMatch(/asks for 1\.53, and the engine has 1\.44 to 1\.52\./)
  expect(findings({ env: { DOCKER_API_VERSION: '1.50' } })).toEqual([])
})

test('ends with a count, in which what is optional is no warning', () => {
  const last = (changes: Partial<HostFacts>) =>
    formatChecks(checkHost({ ...facts, ...changes }))
      .split('\n')
      .at(-1)
  expect(last({})).toMatch(/^\d+ passed, 0 failed\. Suites can run\.$/)
  expect(last({ programs: { helm: undefined } })).toMatch(/^\d+ passed, 1 optional not found, 0 failed\. Suites can run\.$/)
  expect(last({ engine: { ...engine, cgroupVersion: 1, version: '20.10.4' } })).toMatch(
    /^\d+ passed, 1 warning, 1 failed\. Suites cannot run until you fix what failed\.$/,
  )
})

test('judges memory and limits by what clusters need', () => {
  const limits = (changes: Partial<HostFacts['limits']>) => findings({ limits: { ...facts.limits, ...changes } })
  expect(limits({ freeMemory: 300e6 })[0]).toMatch(/^memory failed: 300 MB free: 0 small clusters/)
  expect(limits({ freeMemory: 900e6 })[0]).toMatch(/^memory warning: 900 MB free: 1 small/)
  expect(limits({ inotifyInstances: 8, inotifyWatches: 8192, openFiles: 100 })).toEqual([
    expect.stringMatching(/^inotify instances failed: 8: a cluster needs at least 64\. → sudo sysctl fs\.inotify\.max_user_instances=512/),
    expect.stringMatching(/^inotify watches warning: 8192: enough for one cluster/),
    expect.stringMatching(/^open files failed: 100: a cluster needs at least 256\. → ulimit -n 4096/),
  ])
  expect(limits({ inotifyInstances: undefined, inotifyWatches: undefined, openFiles: Infinity, systemFiles: undefined })).toEqual([])
})

test('reads the limits of the machine that Docker is on', async () => {
  const files: Readonly<Record<string, string>> = {
    '/proc/meminfo': 'MemTotal: 4000000 kB\nMemAvailable:    2000000 kB\n',
    '/proc/sys/fs/inotify/max_user_instances': '128\n',
    '/proc/sys/fs/inotify/max_user_watches': '8192\n',
    '/proc/sys/fs/file-max': '1000000\n',
    '/proc/self/limits':
      'Limit  Soft Limit  Hard Limit  Units\nMax open files            512                 524288               files     \n',
  }
  const { totalmem } = await import('node:os')
  expect(await readHostLimits(totalmem(), async (path) => files[path])).toEqual({
    freeMemory: 2_048_000_000,
    isMeasured: true,
    inotifyInstances: 128,
    inotifyWatches: 8192,
    systemFiles: 1_000_000,
    openFiles: 512,
  })
  expect(await readHostLimits(2 * totalmem(), async (path) => files[path])).toEqual({
    freeMemory: 2 * totalmem(),
    isMeasured: false,
    inotifyInstances: undefined,
    openFiles: 512,
  })
})

test('warns of proxies that would get what is meant for this machine', () => {
  expect(findings({ env: { HTTP_PROXY: 'http://proxy:3128', NO_PROXY: '.example.com' } })).toEqual([
    'proxies warning: HTTP_PROXY also applies to 127.0.0.1, where Services are: clients that use it send those requests to the proxy. → export NO_PROXY=.example.com,localhost,127.0.0.1 no_proxy=.example.com,localhost,127.0.0.1',
  ])
  expect(findings({ env: { https_proxy: 'http://proxy:3128', no_proxy: 'localhost, 127.0.0.1' } })).toEqual([])
  expect(findings({ env: { https_proxy: 'http://proxy:3128', NO_PROXY: '*' } })).toEqual([])
})
