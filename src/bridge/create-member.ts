import type { BridgeParts } from './bridges.ts'
import { type RunningContainer, findRunning, readEnv, readFiles } from './container-facts.ts'
import { selectEnv } from './env.ts'
import { startMember } from './member.ts'
import { takePodAddress } from './pod-address.ts'
import type { MemberRequest, OpenMember } from './requests.ts'
import { type BridgeTarget, findTarget } from './target.ts'

/** Where the environment and the files come from: nothing runs yet when the workload is scaled to none. */
export async function findSource(
  parts: BridgeParts,
  side: { readonly env: MemberRequest['env'] },
  target: BridgeTarget,
  signal: AbortSignal,
): Promise<RunningContainer | undefined> {
  const { from } = side.env
  if (from === false) return undefined
  if (from === undefined || from === target.workload) return findRunning(target)
  return findOther(parts, target.namespace, from, undefined, signal)
}

export async function findOther(
  { cluster }: BridgeParts,
  namespace: string,
  workload: string,
  container: string | undefined,
  signal: AbortSignal,
): Promise<RunningContainer | undefined> {
  using target = await findTarget({ kube: cluster.kube, namespace, workload, container, signal })
  return findRunning(target)
}

export async function createMember(
  parts: BridgeParts,
  request: MemberRequest,
  {
    cleanup,
    namespace,
    source,
    signal,
  }: { cleanup: AsyncDisposableStack; namespace: string; source: RunningContainer | undefined; signal: AbortSignal },
): Promise<OpenMember> {
  const { docker, cluster, network } = parts
  const [image, member, env, archives] = await Promise.all([
    parts.prepareImage(request.image, signal),
    startMember({ docker, cluster, network, namespace, publish: request.publish, signal }).then((each) => cleanup.use(each)),
    source ? readEnv(docker, source) : {},
    source && request.files ? readFiles(docker, source, source.mounts) : [],
  ])
  const selected = selectEnv(env, request.env)
  const podAddress = Object.values(selected).find((value) => value === source?.pod.status?.podIP)
  if (podAddress) await takePodAddress(docker, member.holder, podAddress, cluster.nodes.find(({ name }) => name === source!.node)!.address)
  return {
    holder: member.holder,
    address: member.address,
    published: member.published,
    podAddress,
    image,
    env: selected,
    labels: cluster.labels,
    archives: archives.map((archive) => archive.toString('base64')),
  }
}
