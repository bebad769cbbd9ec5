import { relative } from 'node:path'

import type { BridgesOptions } from '../../bridge/parts.ts'
import type { BridgeFunctions } from '../../bridge/requests.ts'
import { connectServices } from '../../client/connect-services.ts'
import { createTestCluster, findAddress } from '../../client/create-test-cluster.ts'
import { inProcessLease } from '../../client/in-process-lease.ts'
import { createTestBridges } from '../../client/test-bridges.ts'
import type { TestCluster } from '../../client/test-cluster.ts'
import { readKubeconfig, reachCluster } from '../../cluster/attach-cluster.ts'
import { withRoutes } from '../../cluster/network/ingress-routes.ts'
import type { ServiceAddress } from '../../cluster/network/service-address.ts'
import { listAddresses } from '../../cluster/ownership/inventory.ts'
import { type UpCluster, listUp } from '../../cluster/ownership/kept-clusters.ts'
import { connectDocker } from '../../docker/docker.ts'
import { attachStack } from '../../engine/attach-stack.ts'
import { claimWorkload } from '../../engine/claims.ts'
import { openParts } from '../../engine/open-parts.ts'
import type { EngineParts } from '../../engine/parts.ts'
import { readSettings } from '../../engine/settings.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { SuiteClusterOptions } from '../../stack/options.ts'
import type { ServiceEndpoint } from '../../stack/services/connection.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { formatList } from '../../support/format.ts'
import { createTerminalProgress } from '../../support/terminal.ts'
import type { CliContext } from '../command.ts'
import { loadStacks, rootOf } from './find-stacks.ts'

/** A stack that is up, as a command uses it. Disposal ends what the command has started, and leaves the stack. */
export interface OpenedStack extends AsyncDisposable {
  readonly name: string
  readonly options: SuiteClusterOptions
  readonly namespace: string
  readonly kube: KubeClient
  readonly kubeconfigPath: string
  /** Whether what Docker publishes is on another machine. */
  readonly areElsewhere: boolean
  readonly cluster: TestCluster
  readonly addresses: readonly ServiceAddress[]
  /** How this machine connects to the services of the option `services`. */
  readonly services: Readonly<Record<string, ServiceEndpoint>>
  /** Lets nobody else bridge a workload. @param where its namespace, unless that is the stack's */
  claim(workload: string, where?: string): Promise<void>
  /** What a process has that bridges or changes the stack; undefined for one that only uses it. */
  readonly parts: EngineParts | undefined
}

/** Where the objects of a stack live that name no namespace. */
const namespace = 'default'

/**
 * The stack of that name that is up, of this repository; the only one when nothing is said.
 * @throws ClusterTestError `ERR_STACK_NOT_FOUND` when it is none, or more than one
 */
export async function findUpStack(wanted: string | undefined, { cwd }: Pick<CliContext, 'cwd'>): Promise<UpCluster> {
  const all = (await listUp(await connectDocker())).filter(({ stack }) => isWithin(stack.file, rootOf(cwd)))
  const found = wanted === undefined ? all : all.filter(({ stack: { name, file } }) => [name, file].includes(wanted))
  if (found.length === 1) return found[0]!
  const names = all.map(({ stack }) => stack.name)
  if (found.length === 0)
    throw new ClusterTestError('ERR_STACK_NOT_FOUND', wanted === undefined ? 'No stack is up.' : `Stack "${wanted}" is not up.`, {
      hint: `${names.length > 0 ? `Up are ${formatList(names)}. ` : ''}To bring it up: npx vitest-kubernetes up${wanted === undefined ? '' : ` ${wanted}`}`,
    })
  throw new ClusterTestError('ERR_STACK_NOT_FOUND', `There are ${found.length} such stacks up: name one, or its file.`, {
    hint: `They are ${formatList(found.map(({ stack }) => `${stack.name} in ${stack.file}`))}.`,
  })
}

/** Milliseconds. */
const reachLimit = 30_000

export interface OpenOptions extends Pick<BridgesOptions, 'onLocal'> {
  /** Whether the command bridges, changes the stack, or reads the environment of containers, which takes longer to open. @default false */
  readonly canBridge?: boolean
}

export async function openStack(kept: UpCluster, context: CliContext, { canBridge, onLocal }: OpenOptions = {}): Promise<OpenedStack> {
  const { name, file } = kept.stack
  const options = (await loadStacks(file)).find((each) => each.name === name)?.options
  if (!options)
    throw new ClusterTestError('ERR_STACK_NOT_FOUND', `"${file}" does not export stack "${name}" any more.`, {
      hint: `To take down what is up: npx vitest-kubernetes down ${name}`,
    })
  await using cleanup = new AsyncDisposableStack()
  const progress = createTerminalProgress(context.note)(name)
  const attached = canBridge ? await attach(cleanup) : undefined
  const { cluster: reached, addresses: published } = attached ?? (await reach(cleanup))
  const { kube, ports } = reached
  const addresses = await withRoutes(kube, published)
  const held = inProcessLease({ cluster: kept, namespace, bridges: attached?.bridges ?? ({} as BridgeFunctions) })
  const testBridges = cleanup.use(createTestBridges(held, context.cwd))
  const cluster = createTestCluster<never>({ held, kube, bridges: testBridges, addresses: () => addresses, stack: options })
  const find = (service: string, port: number) => findAddress(addresses, namespace, service, port)
  const services = connectServices(options.services ?? {}, find, namespace)
  const owned = cleanup.move()
  return {
    ...{ name, options, namespace, kube, cluster, addresses, services },
    kubeconfigPath: attached?.cluster.kubeconfigPath ?? kept.kubeconfigPath,
    areElsewhere: ports.areElsewhere,
    claim: async (workload, where = namespace) => {
      if (attached) await claimWorkload(attached.parts, kept.name, workload, where)
    },
    parts: attached?.parts,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }

  async function attach(owner: AsyncDisposableStack) {
    const { env, cwd: folder } = context
    const signal = context.stopSignal()
    const { parts } = owner.use(await openParts({ ...readSettings(env), outputs: [], progress }))
    const stack = owner.use(await attachStack(parts, kept, { namespace, progress, onLocal, folder, signal }))
    return { parts, ...stack }
  }

  async function reach(owner: AsyncDisposableStack) {
    const docker = await connectDocker()
    const kubeconfig = await readKubeconfig(kept.name, kept.kubeconfigPath)
    const options = { labels: kept.labels, progress, signal: AbortSignal.timeout(reachLimit) }
    const cluster = owner.use(await reachCluster(docker, { name: kept.name, kubeconfig }, options))
    // Nothing connects to these: they are told as they are while a process forwards them.
    return { cluster, addresses: await listAddresses(docker, kept.name) }
  }
}

function isWithin(file: string, folder: string): boolean {
  return !relative(folder, file).startsWith('..')
}
