import { checkFolders } from '../../cluster/check-folders.ts'
import { together } from '../../support/together.ts'
import type { BridgeParts } from '../parts.ts'
import type { MemberRequest, OpenMember } from '../requests.ts'
import { takePodAddress } from '../rules/pod-address.ts'
import { type BridgeTarget, findTarget } from '../rules/target.ts'
import { type RunningContainer, findRunning, readResolvConf } from './container-facts.ts'
import { startMember } from './member.ts'
import { type PodNames, podNames } from './pod-names.ts'

/** Where the environment and the files come from: nothing runs yet when the workload is scaled to none. */
export async function findSource(
  { cluster }: BridgeParts,
  side: { readonly env: MemberRequest['env'] },
  target: BridgeTarget,
  { cleanup, signal }: { readonly cleanup: AsyncDisposableStack; readonly signal: AbortSignal },
): Promise<RunningContainer | undefined> {
  const { from } = side.env
  if (from === false) return undefined
  if (from === undefined || from === target.workload) return findRunning(target)
  const { namespace } = target
  return findRunning(cleanup.use(await findTarget({ cluster, namespace, workload: from, signal })))
}

export async function createMember(
  parts: BridgeParts,
  request: MemberRequest,
  {
    cleanup,
    namespace,
    target,
    source,
    env,
    signal,
  }: {
    cleanup: AsyncDisposableStack
    namespace: string
    /** What it replaces, if it does: it is called as a pod of that is. */
    target?: BridgeTarget
    source: RunningContainer | undefined
    env: Promise<OpenMember['env']>
    signal: AbortSignal
  },
): Promise<OpenMember> {
  const { docker, cluster, network } = parts
  const { publish } = request
  const [image, member, selected] = await together(signal, [
    (abort) => parts.prepareImage(request.image, abort),
    async (abort) => {
      const names = await namesOf(parts, namespace, target)
      return cleanup.use(await startMember({ docker, cluster, network, names, publish, signal: abort }))
    },
    () => env,
    (abort) => checkFolders(docker, cluster, request.mounts, abort),
  ])
  const podAddress = Object.values(selected).find((value) => value === source?.pod.status?.podIP)
  if (podAddress) await takePodAddress(docker, member.holder, podAddress, cluster.nodes.find(({ name }) => name === source!.node)!.address)
  return {
    holder: member.holder,
    address: member.address,
    address6: member.address6,
    published: member.published,
    podAddress,
    image,
    env: selected,
    labels: cluster.labels,
  }
}

async function namesOf({ docker, network: { dns } }: BridgeParts, namespace: string, target: BridgeTarget | undefined): Promise<PodNames> {
  const running = target && findRunning(target)
  if (!running) return podNames({ spec: target?.spec, namespace, dns })
  const { spec, metadata } = running.pod
  return podNames({ spec, podName: metadata!.name, resolvConf: await readResolvConf(docker, running), namespace, dns })
}
