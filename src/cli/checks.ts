import { defaultClusterMemory, leastInstances, leastOpenFiles, leastWatches } from '../cluster/host-limits.ts'
import { counted, formatBytes } from '../support/format.ts'
import type { EngineFacts, HostFacts } from './host-facts.ts'

/** One thing that `doctor` has looked at. */
export interface Check {
  readonly name: string
  /** `failed`: suites cannot run. `warning`: some cannot, or not many at a time. `info`: something optional is absent. */
  readonly status: 'ok' | 'info' | 'warning' | 'failed'
  readonly text: string
  /** What to do, for all but `ok`. */
  readonly fix?: string
}

/** Judges what was found, the most basic first. */
export function checkHost(facts: HostFacts): readonly Check[] {
  const { engine } = facts
  const docker: readonly Check[] =
    'error' in engine
      ? [{ name: 'Docker', status: 'failed', text: engine.error, fix: engine.hint ?? 'Run "docker info" in this terminal.' }]
      : [checkEngine(engine), checkApiVersion(engine, facts.env['DOCKER_API_VERSION'])]
  const machine =
    'error' in engine
      ? []
      : [
          checkCgroup(engine),
          checkSubnets(engine),
          ...checkDisk(engine),
          ...checkTemplates(engine),
          ...checkLeftovers(engine),
          ...checkPlace(engine),
          ...checkBridges(engine),
        ]
  return [
    checkNode(facts.node),
    ...docker,
    checkK3d(facts),
    checkMemory(facts),
    ...checkLimits(facts),
    ...machine,
    checkProxy(facts),
    ...checkPrograms(facts),
  ]
}

function checkNode(version: string): Check {
  if (Number.parseInt(version, 10) >= 24) return { name: 'Node.js', status: 'ok', text: version }
  return { name: 'Node.js', status: 'failed', text: `${version} is too old.`, fix: 'Install Node.js 24 or later.' }
}

function checkEngine({ version, processors, memory, isRootless }: EngineFacts): Check {
  const text = `${version}, ${processors} processors, ${formatBytes(memory)} of memory${isRootless ? ', rootless' : ''}`
  // k3d's own requirement (k3d.io, 5.x).
  if (isOlder(version, [20, 10, 5]))
    return { name: 'Docker', status: 'failed', text: `${text}: too old.`, fix: 'Update Docker to 20.10.5 or later: k3d needs it.' }
  return { name: 'Docker', status: 'ok', text }
}

function checkApiVersion({ apiVersion, minApiVersion = '1.12' }: EngineFacts, wanted: string | undefined): Check {
  const range = `${minApiVersion} to ${apiVersion}`
  if (!wanted || (!isOlder(wanted, numbers(minApiVersion)) && !isOlder(apiVersion, numbers(wanted))))
    return { name: 'Docker API', status: 'ok', text: range }
  return {
    name: 'Docker API',
    status: 'warning',
    text: `DOCKER_API_VERSION asks for ${wanted}, and the engine has ${range}. Suites ignore the variable; "docker" and other tools fail.`,
    fix: 'unset DOCKER_API_VERSION: clients then agree on a version with the engine.',
  }
}

function checkK3d({ k3d }: HostFacts): Check {
  if ('error' in k3d) return { name: 'k3d', status: 'failed', text: k3d.error, fix: k3d.hint ?? 'Install k3d 5: https://k3d.io' }
  if (k3d.version.startsWith('5.')) return { name: 'k3d', status: 'ok', text: k3d.version }
  return { name: 'k3d', status: 'failed', text: `${k3d.version} is not supported.`, fix: 'Install k3d 5: https://k3d.io' }
}

function checkMemory({ limits: { freeMemory } }: HostFacts): Check {
  const clusters = Math.floor(freeMemory / defaultClusterMemory)
  const text = `${formatBytes(freeMemory)} free: ${clusters} small clusters at a time`
  const fix = 'Stop what is not needed, or give Docker more memory.'
  if (clusters === 0)
    return { name: 'memory', status: 'failed', text: `${text}. One takes about ${formatBytes(defaultClusterMemory)}.`, fix }
  return clusters === 1 ? { name: 'memory', status: 'warning', text, fix } : { name: 'memory', status: 'ok', text }
}

function checkLimits({ limits }: HostFacts): readonly Check[] {
  const sysctl = (name: string, value: number) =>
    `sudo sysctl ${name}=${value}, and for good: echo ${name}=${value} | sudo tee /etc/sysctl.d/90-vitest-kubernetes.conf`
  return [
    ...checkLimit('inotify instances', limits.inotifyInstances, leastInstances, 128, sysctl('fs.inotify.max_user_instances', 512)),
    ...checkLimit('inotify watches', limits.inotifyWatches, leastWatches, 65_536, sysctl('fs.inotify.max_user_watches', 524_288)),
    ...checkLimit('open files', limits.openFiles, leastOpenFiles, 1024, 'ulimit -n 4096'),
    ...checkLimit('open files of all', limits.systemFiles, 16_384, 65_536, sysctl('fs.file-max', 1_000_000)),
  ]
}

/** @param least what one cluster needs @param enough what several do */
function checkLimit(name: string, value: number | undefined, least: number, enough: number, fix: string): readonly Check[] {
  if (value === undefined) return []
  const text = value === Infinity ? 'unlimited' : String(value)
  if (value >= enough) return [{ name, status: 'ok', text }]
  if (value >= least) return [{ name, status: 'warning', text: `${text}: enough for one cluster, several may want ${enough}.`, fix }]
  return [{ name, status: 'failed', text: `${text}: a cluster needs at least ${least}.`, fix }]
}

function checkCgroup({ cgroupVersion }: EngineFacts): Check {
  if (cgroupVersion === 2) return { name: 'cgroup', status: 'ok', text: 'version 2' }
  return {
    name: 'cgroup',
    status: 'warning',
    text: 'version 1. kubelet 1.35 and later refuse to start on it; clusters with these versions get an argument that lets them.',
    fix: 'Boot with systemd.unified_cgroup_hierarchy=1 to use version 2.',
  }
}

function checkSubnets({ subnets: { free, all } }: EngineFacts): Check {
  const text = `${free} of ${all} networks free in Docker's address pools`
  const fix = 'docker network prune, or define more and smaller pools ("default-address-pools" in /etc/docker/daemon.json).'
  if (free === 0) return { name: 'address pools', status: 'failed', text, fix }
  return free < 4 ? { name: 'address pools', status: 'warning', text, fix } : { name: 'address pools', status: 'ok', text }
}

function checkDisk({ disk, templates }: EngineFacts): readonly Check[] {
  if (!disk) return []
  const share = disk.free / disk.size
  const text = `${formatBytes(disk.free)} free in ${disk.folder} (${Math.floor(share * 100)} %)`
  const ofTemplates = templates.length > 0 ? ` ${describeTemplates(templates)}: npx vitest-kubernetes templates --remove.` : ''
  const fix = `docker system df shows what uses the space; docker image prune removes untagged images.${ofTemplates}`
  // k3s evicts pods below 5 % (its kubelet's eviction-hard).
  if (share < 0.05) return [{ name: 'disk', status: 'failed', text: `${text}: nodes evict their pods.`, fix }]
  return share < 0.1 ? [{ name: 'disk', status: 'warning', text, fix }] : [{ name: 'disk', status: 'ok', text }]
}

function checkTemplates({ templates }: EngineFacts): readonly Check[] {
  return templates.length > 0 ? [{ name: 'templates', status: 'ok', text: describeTemplates(templates) }] : []
}

function describeTemplates(sizes: readonly number[]): string {
  return `${counted(sizes.length, 'template')} of clusters, ${formatBytes(sizes.reduce((sum, size) => sum + size, 0))}`
}

function checkLeftovers({ deadRuns }: EngineFacts): readonly Check[] {
  if (deadRuns === 0) return []
  const text = `${deadRuns} dead ${deadRuns === 1 ? 'run has' : 'runs have'} left something behind`
  return [{ name: 'leftovers', status: 'warning', text, fix: 'npx vitest-kubernetes prune; the next run does the same.' }]
}

/** Whether its ports are this machine's is found out when a cluster starts; here is what to expect. */
function checkPlace({ elsewhere }: EngineFacts): readonly Check[] {
  if (!elsewhere) return []
  const text = `the engine is at ${elsewhere}: the ports that it publishes are forwarded to this machine while a run or a command lasts`
  return [{ name: 'ports', status: 'info', text }]
}

/** Whether pods reach this machine is found out when a bridge needs it; here is what to expect. */
function checkBridges({ isDesktop, isRootless }: EngineFacts): readonly Check[] {
  if (!isDesktop && !isRootless) return []
  const why = isDesktop ? 'Docker Desktop runs containers in a virtual machine' : 'Rootless Docker has a network namespace of its own'
  return [
    {
      name: 'bridges',
      status: 'info',
      text: `${why}, so pods may not reach this machine: a relay then brings their connections to bridges here`,
    },
  ]
}

/** A proxy that receives requests for 127.0.0.1 answers in place of the cluster. */
function checkProxy({ env }: HostFacts): Check {
  const set = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'].flatMap((name) => [name, name.toLowerCase()]).filter((name) => env[name])
  if (set.length === 0) return { name: 'proxies', status: 'ok', text: 'none' }
  const spared = (env['NO_PROXY'] || env['no_proxy'] || '').split(/[\s,]+/)
  if (spared.includes('*') || ['localhost', '127.0.0.1'].every((host) => spared.includes(host)))
    return { name: 'proxies', status: 'ok', text: `${set.join(', ')}, except for 127.0.0.1` }
  return {
    name: 'proxies',
    status: 'warning',
    text: `${set.join(', ')} also ${set.length === 1 ? 'applies' : 'apply'} to 127.0.0.1, where Services are: clients that use ${set.length === 1 ? 'it' : 'them'} send those requests to the proxy.`,
    fix: `export NO_PROXY=${[...spared.filter(Boolean), 'localhost', '127.0.0.1'].join(',')} no_proxy=${[...spared.filter(Boolean), 'localhost', '127.0.0.1'].join(',')}`,
  }
}

const programUses: Readonly<Record<string, string>> = {
  helm: 'charts: https://helm.sh/docs/intro/install',
  sops: 'encrypted secrets: https://getsops.io',
  kubectl: 'kustomize, and to inspect clusters by hand: https://kubernetes.io/docs/tasks/tools',
}

function checkPrograms({ programs }: HostFacts): readonly Check[] {
  return Object.entries(programs).map(([name, version]) =>
    version === undefined
      ? { name, status: 'info', text: `not found; only needed for ${programUses[name] ?? 'some suites'}` }
      : { name, status: 'ok', text: version },
  )
}

function isOlder(version: string, least: readonly number[]): boolean {
  const own = numbers(version)
  const index = least.findIndex((part, at) => (own[at] ?? 0) !== part)
  return index >= 0 && (own[index] ?? 0) < least[index]!
}

function numbers(version: string): readonly number[] {
  return version.split('.').map((part) => Number.parseInt(part, 10) || 0)
}
