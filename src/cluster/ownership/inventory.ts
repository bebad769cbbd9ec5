import type { ContainerInfo, Docker, DockerEngine, NetworkInspectInfo, VolumeInspectInfo } from '../../docker/docker.ts'
import { type PublishedService, readAddresses, readServices, servicesLabel } from '../network/published-services.ts'
import type { ServiceAddress } from '../network/service-address.ts'
import { parseStack } from './kept-clusters.ts'
import { type OwnerState, clusterLabel, describeOwner, expiresLabel, ownerLabel, runLabel, stackLabel, suiteLabel } from './owner.ts'
import { type OwnedProcess, findDeadProcesses } from './processes.ts'

/** What a run has in Docker. */
export interface RunInventory {
  readonly run: string
  readonly owner: { readonly host: string; readonly pid: number; readonly state: OwnerState }
  readonly clusters: readonly ClusterInventory[]
  /** Of no cluster, and processes of a dead run on this machine. */
  readonly others: readonly string[]
}

export interface ClusterInventory {
  readonly name: string
  readonly suite: string | undefined
  /** Until when it stays although its run has ended, ISO 8601; undefined for a cluster that is not kept. */
  readonly keptUntil: string | undefined
  /** The stack that is up in it, and its file: it stays until it is taken down. */
  readonly stack: { readonly name: string; readonly file: string } | undefined
  /** ISO 8601. */
  readonly created: string
  readonly containers: readonly ContainerInventory[]
  /** As this machine reaches them. */
  readonly services: readonly PublishedService[]
  readonly networks: readonly string[]
  readonly volumes: readonly string[]
}

export interface ContainerInventory {
  readonly name: string
  /** A node's is k3d's; anything else has joined the cluster. */
  readonly role: 'server' | 'agent' | 'other'
  /** Docker's: `running`, `exited`, `paused`, … */
  readonly state: string
  /** Published ones: `127.0.0.1:36445->6443/tcp`. */
  readonly ports: readonly string[]
}

/** What Docker answers about our objects, and what dead runs left beside it. */
export interface DockerListing {
  readonly containers: readonly Pick<ContainerInfo, 'Names' | 'Labels' | 'State' | 'Created' | 'Ports'>[]
  readonly networks: readonly Pick<NetworkInspectInfo, 'Name' | 'Labels' | 'Created'>[]
  readonly volumes: readonly Pick<VolumeInspectInfo, 'Name' | 'Labels'>[]
  readonly processes: readonly OwnedProcess[]
}

/** Services of a cluster as this machine reaches them, whoever started it. */
export async function listPublished(docker: DockerEngine, cluster: string): Promise<readonly PublishedService[]> {
  return readServices(await listGateways(docker, cluster))
}

/** The same for programs. */
export async function listAddresses(docker: DockerEngine, cluster: string): Promise<readonly ServiceAddress[]> {
  return readAddresses(await listGateways(docker, cluster))
}

export function listGateways({ engine }: DockerEngine, cluster: string): Promise<readonly ContainerInfo[]> {
  return engine.listContainers({ all: true, filters: { label: [`${clusterLabel}=${cluster}`, servicesLabel] } })
}

/** Everything that carries our labels, of all runs on this Docker engine, the oldest cluster of a run first. */
export async function readInventory(docker: Docker): Promise<readonly RunInventory[]> {
  const ours = { filters: { label: [ownerLabel] } }
  const [containers, networks, ownVolumes, k3dVolumes, processes] = await Promise.all([
    docker.engine.listContainers({ all: true, ...ours }),
    docker.engine.listNetworks(ours),
    docker.engine.listVolumes(ours),
    docker.engine.listVolumes({ filters: { label: ['k3d.cluster'] } }),
    findDeadProcesses(),
  ])
  return takeInventory({ containers, networks, volumes: [...(ownVolumes.Volumes ?? []), ...(k3dVolumes.Volumes ?? [])], processes })
}

/** k3d's own volumes carry only the cluster's name: they count where that is a cluster of ours. */
export function takeInventory({ containers, networks, volumes, processes }: DockerListing): readonly RunInventory[] {
  const labelled = [
    ...[...containers, ...networks, ...volumes].map(({ Labels }) => Labels ?? {}).filter((labels) => labels[ownerLabel]),
    ...processes.map(({ run, owner }): Record<string, string> => ({ [runLabel]: run, [ownerLabel]: owner })),
  ]
  const runs = Object.groupBy(labelled, (labels) => labels[runLabel] ?? '')
  const isOf = (cluster: string) => (object: { readonly Labels?: Readonly<Record<string, string>> | null | undefined }) =>
    (object.Labels?.[clusterLabel] ?? object.Labels?.['k3d.cluster']) === cluster

  return Object.entries(runs).map(([run, labels = []]) => {
    const names = [...new Set(labels.flatMap((each) => each[clusterLabel] ?? []))]
    const clusters = names.map((name): ClusterInventory => {
      const own = { containers: containers.filter(isOf(name)), networks: networks.filter(isOf(name)), volumes: volumes.filter(isOf(name)) }
      const all = [...own.containers, ...own.networks, ...own.volumes].map(({ Labels }) => Labels ?? {})
      // A volume tells no time: what has nothing else is as old as it is known.
      const times = [...own.containers.map(({ Created }) => Created * 1000), ...own.networks.map(({ Created }) => Date.parse(Created))]
      const created = times.length > 0 ? Math.min(...times) : Date.now()
      return {
        name,
        suite: all.find((each) => each[suiteLabel])?.[suiteLabel],
        stack: stackOf(all.find((each) => each[stackLabel])?.[stackLabel]),
        keptUntil: timeOf(all.find((each) => each[expiresLabel])?.[expiresLabel]),
        created: new Date(created).toISOString(),
        containers: own.containers.map(describeContainer).toSorted((a, b) => order(a) - order(b) || a.name.localeCompare(b.name)),
        services: readServices(own.containers),
        networks: own.networks.map(({ Name }) => Name),
        volumes: own.volumes.map(({ Name }) => Name),
      }
    })
    const isOther = ({ Labels }: { readonly Labels?: Readonly<Record<string, string>> | null | undefined }) =>
      Labels?.[runLabel] === run && !Labels[clusterLabel]
    return {
      run,
      owner: describeOwner(labels[0]?.[ownerLabel] ?? ''),
      clusters: clusters.toSorted((a, b) => a.created.localeCompare(b.created)),
      others: [
        ...containers.filter(isOther).map(({ Names }) => nameOf(Names)),
        ...[...networks, ...volumes].filter(isOther).map(({ Name }) => Name),
        ...processes.filter((each) => each.run === run).map(({ pid, command }) => `process ${pid} (${command})`),
      ],
    }
  })
}

function describeContainer({ Names, Labels, State, Ports }: DockerListing['containers'][number]): ContainerInventory {
  const role = Labels['k3d.role']
  const published = Ports.filter(({ PublicPort }) => PublicPort)
  return {
    name: nameOf(Names),
    role: role === 'server' || role === 'agent' ? role : 'other',
    state: State,
    ports: published
      .toSorted((a, b) => a.PrivatePort - b.PrivatePort)
      .map(({ IP, PublicPort, PrivatePort, Type }) => `${IP}:${PublicPort}->${PrivatePort}/${Type}`),
  }
}

/** A time that cannot be read keeps nothing: it would do so for ever. */
function timeOf(milliseconds = ''): string | undefined {
  const time = new Date(Number(milliseconds || Number.NaN))
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString()
}

function stackOf(label: string | undefined): ClusterInventory['stack'] {
  const { name, file } = parseStack(label) ?? {}
  return name === undefined || file === undefined ? undefined : { name, file }
}

/** Whether it stays although its run has ended. */
export function isKept({ stack, keptUntil }: Pick<ClusterInventory, 'stack' | 'keptUntil'>, now = Date.now()): boolean {
  return stack !== undefined || (keptUntil !== undefined && Date.parse(keptUntil) > now)
}

function order({ role }: ContainerInventory): number {
  return ['server', 'agent', 'other'].indexOf(role)
}

function nameOf(names: readonly string[]): string {
  return names[0]?.slice(1) ?? ''
}
