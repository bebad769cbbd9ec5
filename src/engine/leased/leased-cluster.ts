import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { RelayProgram } from '../../cluster/network/relay-program.ts'
import { type OpenedTunnel, type TunnelPorts, openTunnelPorts } from '../../cluster/network/tunnel-ports.ts'
import { openTunnel } from '../../cluster/network/tunnel.ts'
import type { SuiteCluster } from '../../cluster/suite-cluster.ts'
import { type KubeClient, createKubeClient } from '../../kube/client.ts'
import { openExecStream } from '../../kube/exec-stream.ts'
import { apiPath } from '../../kube/kinds.ts'
import type { OwnerReference } from '../../kube/lineage.ts'
import { ownerLabel } from '../../stack/charts/install-chart.ts'
import { withDeadline } from '../../support/deadline.ts'
import { randomId } from '../../support/identity.ts'
import { poll } from '../../support/poll.ts'
import { type Progress, runStep } from '../../support/progress.ts'
import type { Endings } from '../endings.ts'
import type { KubeContext } from './kubeconfig.ts'
import { runLabelOfObjects } from './labels.ts'
import type { NamespaceLease } from './namespace-lease.ts'
import {
  type RelayJob,
  controlAddress,
  jobLabel,
  relayContainer,
  relayMeeting,
  relayProgram,
  removeRelayJobs,
  startRelayJob,
} from './relay-job.ts'
import { tunnelAccess } from './tunnel-access.ts'

export interface LeasedClusterOptions {
  readonly context: KubeContext
  readonly lease: NamespaceLease
  readonly run: string
  /** Private folder of the run; the kubeconfig goes there. */
  readonly folder: string
  readonly relayImage: string
  /** For what goes on after the suite has ended. */
  readonly endings: Endings
  readonly progress: Progress
  readonly signal: AbortSignal
}

/** A namespace of a cluster that others have too, empty at first. Disposal begins to empty it. */
export interface LeasedCluster extends SuiteCluster, AsyncDisposable {
  readonly namespace: string
  /** What goes with it when it belongs to this. */
  readonly owner: OwnerReference
  /** Its pod: what its ports lead to comes to this machine, where Services select it by this label. */
  readonly relay: LeasedRelay
}

export interface LeasedRelay {
  readonly selector: Readonly<Record<string, string>>
  /** Finds its program, as this machine reaches it. @param token what that was started with */
  find(): Promise<RelayProgram>
  /** Ends connections of this machine to these addresses of Services, once no answer is under way on them. */
  readonly endIdle: (addresses: readonly string[]) => Promise<void>
  readonly token: string
}

/** Milliseconds. */
const limits = { empty: 120_000, tunnel: 30_000 }

/** The whole life of a leased namespace: emptied, a relay in it, a tunnel to that, and emptied again. */
export async function openLeasedCluster(options: LeasedClusterOptions): Promise<LeasedCluster> {
  const { context, lease, run, folder, relayImage, endings, progress, signal } = options
  const { namespace } = lease
  const kubeconfig = context.inNamespace(namespace)
  const kube = createKubeClient(kubeconfig)
  return runStep(progress, 'cluster', `namespace "${namespace}" of context "${context.name}"`, async () => {
    await using cleanup = new AsyncDisposableStack()
    await empty(kube, namespace, signal)
    const token = randomId(16)
    const user = await readUser(kube, namespace, signal)
    const remove = ({ name }: OwnerReference) =>
      endings.add(removeRelayJobs(kube, namespace, { fieldSelector: `metadata.name=${name}` }, AbortSignal.timeout(limits.empty)))
    const onOwner = async (owner: OwnerReference) => {
      cleanup.defer(() => remove(owner))
      await lease.goWith(owner)
    }
    const job = await startRelayJob(kube, { namespace, run, image: relayImage, token, user, onOwner, signal })
    const note = (text: string) => progress({ kind: 'note', step: 'cluster', text })
    const tunnels = openTunnelPorts({
      open: (stop) => openRelay(kube, namespace, job, stop),
      onReplaced: ({ name }, by) =>
        note(`the tunnel to pod "${name}" broke, and what passed it was reset: one to pod "${by.name}" takes its place`),
      ended: `Namespace "${namespace}" is not used any more.`,
    })
    cleanup.use(tunnels)
    // The pod waits for it, and not for long.
    await tunnels.current()
    const keeper = setInterval(() => void tunnels.current().catch(() => undefined), 1_000).unref()
    cleanup.defer(() => clearInterval(keeper))
    const kubeconfigPath = join(folder, `${namespace}-${job.owner.name}.kubeconfig`)
    cleanup.defer(() => rm(kubeconfigPath, { force: true }))
    await writeFile(kubeconfigPath, kubeconfig, { mode: 0o600 })
    const owned = cleanup.move()
    return {
      name: context.name,
      ...{ namespace, kubeconfigPath, kube },
      owner: job.owner,
      access: tunnelAccess(tunnels, { kube, namespace, note }),
      relay: {
        selector: { [jobLabel]: job.name },
        token,
        find: () => findProgram(tunnels, job),
        endIdle: (of) => tunnels.endIdle((each) => of.some((address) => each.startsWith(`${address}:`))),
      },
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    }
  })
}

/** Of what runs have left there, or are still removing. */
function empty(kube: KubeClient, namespace: string, signal: AbortSignal): Promise<void> {
  const what = `To empty namespace "${namespace}" of what an earlier run has left`
  return withDeadline({ limit: limits.empty, code: 'ERR_CLUSTER_LEFTOVERS', what, signal }, async (each) => {
    await removeRelayJobs(kube, namespace, { labelSelector: runLabelOfObjects }, each)
    // Of a release whose run was killed meanwhile.
    await kube.request('DELETE', apiPath('Secret', namespace), { query: { labelSelector: ownerLabel }, signal: each })
  })
}

/** OpenShift gives each namespace users of its own, and refuses others. */
async function readUser(kube: KubeClient, namespace: string, signal: AbortSignal): Promise<number | undefined> {
  const { metadata } = await kube.request<{ metadata: { annotations?: Readonly<Record<string, string>> } }>(
    'GET',
    `/api/v1/namespaces/${namespace}`,
    { signal },
  )
  const first = Number.parseInt(metadata.annotations?.['openshift.io/sa.scc.uid-range'] ?? '')
  return Number.isNaN(first) ? undefined : first
}

async function openRelay(kube: KubeClient, namespace: string, job: RelayJob, signal: AbortSignal): Promise<OpenedTunnel> {
  const deadline = { limit: limits.tunnel, code: 'ERR_KUBE_UNREACHABLE', what: `Opening a tunnel to Job "${job.name}"`, signal } as const
  return withDeadline(deadline, (limit) =>
    poll(
      async () => {
        const pod = (await job.findPod(limit)).metadata!.name!
        const stream = await openExecStream(
          kube,
          { namespace, pod, container: relayContainer },
          [relayProgram, 'tunnel', relayMeeting],
          limit,
        )
        let why = ''
        stream.on('error', ({ message }) => void (why = ` (${message})`))
        const tunnel = openTunnel(stream, (chunk) => [chunk])
        // A command is started before it is known whether it can be: the program may not be unpacked yet.
        if (!(await tunnel.answers())) return undefined
        return { name: pod, tunnel, why: () => why, [Symbol.asyncDispose]: async () => tunnel.close() }
      },
      { interval: 100, signal: limit },
    ),
  )
}

async function findProgram(tunnels: TunnelPorts, job: RelayJob): Promise<RelayProgram> {
  const { name } = await tunnels.current()
  return {
    name,
    // Services find it whatever its address is.
    addresses: ['127.0.0.1'],
    port: await tunnels.listen('127.0.0.1', 0, () => controlAddress),
    isRunning: () => job.isRunning(name, AbortSignal.timeout(limits.tunnel)),
    watch: () => {},
    [Symbol.asyncDispose]: async () => {},
  }
}
