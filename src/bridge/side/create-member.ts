import { together } from '../../support/together.ts'
import type { BridgeParts } from '../parts.ts'
import type { MemberRequest, OpenMember } from '../requests.ts'
import { takePodAddress } from '../rules/pod-address.ts'
import { type BridgeTarget, findTarget } from '../rules/target.ts'
import { type RunningContainer, findRunning } from './container-facts.ts'
import { startMember } from './member.ts'

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
  return findRunning(cleanup.use(await findTarget({ kube: cluster.kube, namespace, workload: from, signal })))
}

export async function createMember(
  parts: BridgeParts,
  request: MemberRequest,
  {
    cleanup,
    namespace,
    source,
    env,
    signal,
  }: {
    cleanup: AsyncDisposableStack
    namespace: string
    source: RunningContainer | undefined
    env: Promise<OpenMember['env']>
    signal: AbortSignal
  },
): Promise<OpenMember> {
  const { docker, cluster, network } = parts
  const { publish } = request
  const [image, member, selected] = await together(signal, [
    (abort) => parts.prepareImage(request.image, abort),
    async (abort) => cleanup.use(await startMember({ docker, cluster, network, namespace, publish, signal: abort })),
    () => env,
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
