import { formatServices } from '../cluster/network/published-services.ts'
import { type ClusterInventory, type RunInventory, isKept } from '../cluster/ownership/inventory.ts'
import { formatAge, formatBytes } from '../support/format.ts'
import { formatTable } from '../support/table.ts'

/** The table of `vitest-kubernetes list`. @param memory bytes, by container */
export function formatInventory(runs: readonly RunInventory[], memory: ReadonlyMap<string, number>, now = Date.now()): string {
  if (runs.length === 0) return 'There are no clusters.'
  const rows = runs.flatMap((run) => [
    ...run.clusters.map((cluster) => [run.run, cluster.stack ? 'up' : ownerOf(run, isKept(cluster, now)), ...cells(cluster, memory, now)]),
    ...(run.others.length > 0 ? [[run.run, ownerOf(run, false), run.others.join(', ')]] : []),
  ])
  const table = formatTable(['run', 'owner', 'cluster', 'suite', 'nodes', 'others', 'age', 'memory', 'API', 'kept until'], rows, [6, 7])
  const kept = runs.flatMap(({ clusters }) => clusters.filter((cluster) => isKept(cluster, now) && cluster.services.length > 0))
  const services = kept
    .map((cluster) => `\n\n${[`Services of ${cluster.name}:`, ...formatServices(cluster.services)].join('\n  ')}`)
    .join('')
  const isLeft = ({ owner, clusters, others }: RunInventory) =>
    owner.state === 'dead' && (clusters.some((cluster) => !isKept(cluster, now)) || others.length > 0)
  return !runs.some(isLeft)
    ? table + services
    : `${table}${services}\n\nThe next run removes what dead runs left behind. To do it now: npx vitest-kubernetes prune`
}

function ownerOf({ owner: { host, pid, state } }: RunInventory, kept: boolean): string {
  if (state === 'elsewhere') return `pid ${pid} on ${host}`
  // That its process has ended is as it should be.
  return state === 'dead' && kept ? 'kept' : `pid ${pid}, ${state}`
}

function cells(cluster: ClusterInventory, memory: ReadonlyMap<string, number>, now: number): string[] {
  const { name, suite = '', keptUntil = '', created, containers } = cluster
  const nodes = containers.filter(({ role }) => role !== 'other')
  const known = containers.flatMap((container) => memory.get(container.name) ?? [])
  const api = nodes.flatMap(({ ports }) => ports).find((port) => port.endsWith('->6443/tcp'))
  return [
    name,
    suite,
    states(nodes),
    states(containers.filter(({ role }) => role === 'other')),
    formatAge(now - Date.parse(created)),
    known.length > 0 ? formatBytes(known.reduce((sum, bytes) => sum + bytes, 0)) : '',
    api?.replace(/->.*/, '') ?? '',
    keptUntil,
  ]
}

/** `2 running`, `1 running, 1 exited`. */
function states(containers: readonly { readonly state: string }[]): string {
  return Object.entries(Object.groupBy(containers, ({ state }) => state))
    .map(([state, each = []]) => `${each.length} ${state}`)
    .join(', ')
}
