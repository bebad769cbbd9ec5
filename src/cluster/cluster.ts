import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Docker } from '../docker/docker.ts'
import { removeByLabel } from '../docker/remove.ts'
import { type KubeClient, createKubeClient } from '../kube/client.ts'
import type { KubeList } from '../kube/types.ts'
import { ClusterTestError } from '../support/errors.ts'
import { poll } from '../support/poll.ts'
import { type Progress, runStep } from '../support/progress.ts'
import { cgroupArgs } from './cgroup-args.ts'
import { checkHostLimits, readHostLimits } from './host-limits.ts'
import type { K3d } from './k3d.ts'
import { type IpFamily, clusterRanges } from './network/cluster-ranges.ts'
import { createDockerNetwork } from './network/docker-network.ts'
import { isPortTaken } from './network/free-port.ts'
import { watchNodeStarts } from './network/node-starts.ts'
import { type PublishedPorts, openPublishedPorts } from './network/published-ports.ts'
import { withNodeLogs } from './node-logs.ts'
import { type KeptCluster, type UpStack, markKept } from './ownership/kept-clusters.ts'
import { type Owner, clusterLabel, suiteLabel } from './ownership/owner.ts'
import { templateMount } from './template/copy-files.ts'
import { finishFork } from './template/finish-fork.ts'
import { startFork } from './template/start-fork.ts'
import { type Template, createTemplateVolume, removeUnlessDescribed } from './template/template.ts'

export interface StartClusterOptions {
  /** See newClusterName. */
  readonly name: string
  /** For people. */
  readonly label: string
  readonly docker: Docker
  readonly k3d: K3d
  readonly owner: Owner
  /** Private folder of the run; the kubeconfig goes there. */
  readonly folder: string
  readonly image?: string | undefined
  /** @default 0 */
  readonly agents?: number | undefined
  readonly k3sArgs?: readonly string[] | undefined
  /** @default 'ipv4' */
  readonly ipFamily?: IpFamily | undefined
  /** Folders of this machine on every node: `/host/path:/node/path`. @default [] */
  readonly volumes?: readonly string[] | undefined
  /** Environment of the nodes. @default {} */
  readonly nodeEnv?: Readonly<Record<string, string>> | undefined
  /** What to fork it from, in place of making it of the options. */
  readonly template?: Template | undefined
  /** Of a fork. See ForkOptions. */
  readonly cpuShares?: number | undefined
  /** Whether a template may be made of it. @default false */
  readonly isTemplate?: boolean | undefined
  /** Told of the nodes of a new cluster when their containers run, seconds before k3s has started in them. */
  readonly onNodes?: ((target: NodeContainers) => void) | undefined
  readonly progress: Progress
  readonly signal: AbortSignal
}

/** The nodes of a cluster, as far as they are Docker's. */
export interface NodeContainers {
  readonly nodes: readonly Pick<ClusterNode, 'container'>[]
}

/** A running k3d cluster: exists only while the cluster does. */
export interface Cluster extends AsyncDisposable {
  /** k3d's name of it. */
  readonly name: string
  /** Absolute path of the kubeconfig, readable by its owner only. */
  readonly kubeconfigPath: string
  readonly kube: KubeClient
  readonly network: string
  /** Docker containers of the nodes, the server first. */
  readonly nodes: readonly ClusterNode[]
  readonly image: string
  /** What Docker publishes for it. */
  readonly ports: PublishedPorts
  readonly labels: Readonly<Record<string, string>>
  /** What it was forked from. */
  readonly template: Template | undefined
  /** Of the template that may be made of it. */
  readonly templateVolume: string | undefined
  /**
   * Leaves the cluster to whoever wants to look into it, until then. Disposal does nothing any more.
   * @param expires milliseconds since 1970
   * @param stack what is up in it, for whoever looks for that
   */
  keep(expires: number, stack?: UpStack): Promise<KeptCluster>
}

export interface ClusterNode {
  /** Of the Kubernetes Node: the container's, unless k3s is told another one (`--node-name`, `K3S_NODE_NAME`). */
  readonly name: string
  /** Name of the Docker container. */
  readonly container: string
  /** In the cluster's Docker network. */
  readonly address: string
  /** The same for IPv6; undefined where the network has none. */
  readonly address6: string | undefined
}

/** Milliseconds that k3d is given to bring the servers up: ten times of what a 2-core machine needs. */
const createTimeout = 120_000

/**
 * Creates a cluster with its own network, kubeconfig and names, so that no two meet and the user's kubeconfig stays as it is.
 * Whatever fails half-way is removed again before this rejects.
 */
export async function startCluster(options: StartClusterOptions): Promise<Cluster> {
  const {
    name,
    docker,
    k3d,
    owner,
    folder,
    image,
    agents = 0,
    k3sArgs = defaultK3sArgs,
    ipFamily = 'ipv4',
    volumes = [],
    nodeEnv = {},
    template,
    cpuShares,
    onNodes,
    progress,
    signal,
  } = options
  checkHostLimits(await readHostLimits(docker.memory))
  const network = name
  const labels = { ...owner.labels, [clusterLabel]: name }

  await using cleanup = new AsyncDisposableStack()
  let isKept = false
  const templateVolume = options.isTemplate && !template ? await createTemplateVolume(docker, owner) : undefined
  if (templateVolume) cleanup.defer(() => (isKept ? undefined : removeUnlessDescribed(docker, templateVolume)))
  cleanup.defer(() => (isKept ? undefined : deleteCluster(docker, name)))
  const ranges = clusterRanges(k3sArgs, ipFamily)
  await createDockerNetwork(docker, { name: network, labels: { ...labels, [suiteLabel]: options.label }, ranges, signal })
  using starts = await watchNodeStarts(docker, name, ranges)

  return await runStep(progress, 'cluster', `k3d cluster "${name}"${template ? `, a fork of "${template.name}"` : ''}`, async () => {
    const kubeconfig = template ? await startFork(docker, template, { name, labels, cpuShares, signal }) : await create()
    const containers = await readNodes(docker, name)
    const ports = cleanup.use(openPublishedPorts(docker, { name, image: containers[0]!.image, labels }, { progress, signal }))
    const reached = await reachServer(kubeconfig, ports)
    const kubeconfigPath = join(folder, `${name}.kubeconfig`)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeFile(kubeconfigPath, reached, { mode: 0o600 })
    cleanup.defer(() => rm(kubeconfigPath, { force: true }))
    const kube = createKubeClient(reached)
    if (template) await finishFork(docker, kube, template, { name, signal })
    const isNamed = template || [...k3sArgs, ...Object.keys(nodeEnv)].some((each) => /node-name|with-node-id|K3S_NODE_NAME/.test(each))
    const nodes = isNamed ? await withNames(kube, containers, signal) : containers
    await starts.ready(nodes)
    const owned = cleanup.move()
    return {
      name,
      network,
      nodes,
      image: nodes[0]!.image,
      kubeconfigPath,
      kube,
      ports,
      labels,
      template,
      templateVolume,
      async keep(expires, stack) {
        const kept = await markKept(docker, { name, labels, kubeconfig, expires, stack })
        isKept = true
        await owned.disposeAsync()
        return kept
      },
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    }
  })

  async function create(): Promise<string> {
    try {
      const { args: nodeArgs, note } = cgroupArgs(docker.cgroupVersion, { image: image ?? k3d.defaultImage, agents, k3sArgs })
      if (note) progress({ kind: 'note', step: 'cluster', text: note })
      const allArgs = [...ranges.k3sArgs, ...nodeArgs]
      const allVolumes = templateVolume ? [...volumes, templateMount(templateVolume)] : volumes
      const wanted = {
        name,
        image,
        network,
        agents,
        labels,
        k3sArgs: allArgs,
        volumes: allVolumes,
        env: nodeEnv,
        folder,
        timeout: createTimeout,
      }
      const begin = async () => {
        const created = new AbortController()
        const running = whenRunning(docker, name, 1 + agents, AbortSignal.any([signal, created.signal]))
        running.then(
          (nodes) => onNodes?.({ nodes }),
          () => 'said by k3d',
        )
        await k3d.create(wanted, signal).finally(() => created.abort())
      }
      await begin().catch(async (error: unknown) => {
        if (!isPortTaken(error)) throw error
        // Somebody got the API server's port in between: once more, with another one.
        await removeByLabel(docker, [`k3d.cluster=${name}`])
        await begin()
      })
    } catch (error) {
      signal.throwIfAborted()
      throw error instanceof ClusterTestError ? await withNodeLogs(docker, name, error) : error
    }
    return k3d.kubeconfig(name)
  }
}

/** The same kubeconfig for this machine, with the port by which it reaches the API server. */
export async function reachServer(kubeconfig: string, ports: PublishedPorts): Promise<string> {
  const server = /(?<=server: https:\/\/127\.0\.0\.1:)\d+/
  const port = await ports.reach(Number(server.exec(kubeconfig)![0]))
  return kubeconfig.replace(server, String(port))
}

/** k3s brings an ingress controller and a metrics server that most suites never use and all would wait for. */
const defaultK3sArgs = ['--disable=traefik', '--disable=metrics-server'] as const

/**
 * By label, whatever state the cluster is in and whether k3d still knows it; the network comes last because it names the
 * cluster. Not by k3d's own delete, which rewrites the user's kubeconfig (k3d 5.9.0).
 */
export async function deleteCluster(docker: Docker, name: string): Promise<void> {
  await removeByLabel(docker, [`k3d.cluster=${name}`, `${clusterLabel}=${name}`])
}

/** Names of nodes whose containers do not run (any more), or are paused. */
export async function stoppedNodes(docker: Docker, { name, nodes }: Cluster): Promise<readonly string[]> {
  const filters = { label: [`k3d.cluster=${name}`], status: ['running'] }
  const running = new Set((await docker.engine.listContainers({ filters })).map(({ Names }) => Names[0]?.slice(1)))
  return nodes.map(({ container }) => container).filter((container) => !running.has(container))
}

/** Resolves once so many nodes run. */
function whenRunning(docker: Docker, cluster: string, count: number, signal: AbortSignal): Promise<readonly NodeContainer[]> {
  const find = async () => {
    const nodes = await readNodes(docker, cluster)
    return nodes.length === count ? nodes : undefined
  }
  return poll(find, { interval: 200, signal })
}

export interface NodeContainer extends ClusterNode {
  readonly image: string
}

/** Those that run, each with the name that k3s gives to a node unless told otherwise: its host's. */
export async function readNodes(docker: Docker, cluster: string): Promise<readonly NodeContainer[]> {
  const containers = await docker.engine.listContainers({ filters: { label: [`k3d.cluster=${cluster}`] } })
  return containers
    .filter(({ Labels }) => ['server', 'agent'].includes(Labels['k3d.role'] ?? ''))
    .map(({ Names, Image, NetworkSettings }) => ({
      name: Names[0]!.slice(1),
      container: Names[0]!.slice(1),
      image: Image,
      address: NetworkSettings.Networks[cluster]?.IPAddress ?? '',
      address6: NetworkSettings.Networks[cluster]?.GlobalIPv6Address || undefined,
    }))
    .toSorted((a, b) => b.container.localeCompare(a.container))
}

/** Waits for the Node objects: k3s says that it is up and running before its own node is registered. */
export function withNames(kube: KubeClient, containers: readonly NodeContainer[], signal: AbortSignal): Promise<readonly NodeContainer[]> {
  const findAll = async () => {
    const { items } = await kube.request<KubeList<NodeObject>>('GET', '/api/v1/nodes', { signal })
    const named = containers.flatMap((each) => {
      const node = items.find(({ status }) =>
        status?.addresses?.some(({ type, address }) => type === 'InternalIP' && address === each.address),
      )
      return node ? [{ ...each, name: node.metadata.name }] : []
    })
    return named.length === containers.length ? named : undefined
  }
  return poll(findAll, { interval: 100, signal })
}

interface NodeObject {
  readonly metadata: { readonly name: string }
  readonly status?: { readonly addresses?: readonly { readonly type: string; readonly address: string }[] }
}
