import type { KubeClient } from '../../kube/client.ts'
import { apiPath } from '../../kube/kinds.ts'
import { readPodLog } from '../../kube/logs.ts'
import type { Pod } from '../../kube/types.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { formatDuration } from '../../support/format.ts'
import { describeCluster, redactFor } from './diagnose.ts'
import type { Readiness } from './verdict.ts'

/** The error for failures, of which the first one is final: its reason, its last log lines, and the state of the cluster. */
export async function explainFailure(
  kube: KubeClient,
  failures: readonly Readiness[],
  namespaces: readonly string[] | undefined,
): Promise<ClusterTestError> {
  const first = failures[0]!
  const code = first.target.startsWith('service/') ? 'ERR_SERVICE_NO_ENDPOINTS' : 'ERR_WORKLOAD_FAILED'
  const log = first.pod ? await lastLines(kube, first) : ''
  // The reason may be what the container has said at its end.
  const redact = await redactFor(kube)
  const images = first.images ? imagesOf(failures) : []
  const text =
    images.length > 1 ? redact(describeImages(images)) : describeReadiness({ ...first, reason: redact(`${first.reason}.${log}`) })
  const report = await describeCluster(kube, { namespaces })
  return new ClusterTestError(code, `${text}\n${report}`, { hint: images.length > 1 ? manyImages : first.hint })
}

/** The error for what is still missing when the time is up. */
export async function explainTimeout(
  kube: KubeClient,
  pending: readonly Readiness[],
  { started, cause, namespaces }: { readonly started: number; readonly cause: unknown; readonly namespaces: readonly string[] | undefined },
): Promise<ClusterTestError> {
  const redact = await redactFor(kube)
  const reasons = pending.map((each) => `  ${describeReadiness({ ...each, reason: redact(each.reason) })}`)
  const after = formatDuration(performance.now() - started)
  return new ClusterTestError(
    'ERR_WORKLOAD_NOT_READY',
    `Not ready after ${after}:\n${reasons.join('\n')}\n${await describeCluster(kube, { namespaces })}`,
    { cause, hint: 'If they only need more time, raise "setupTimeout" of the suite, or "timeout" of cluster.apply.' },
  )
}

const manyImages = `Build them with images: ['./folder'], or have them in Docker ("docker pull …"): they are imported then.`

interface WantedImage {
  readonly image: string
  readonly why: string
  readonly users: readonly string[]
}

/** All of them, so that one run tells what to bring. */
function imagesOf(failures: readonly Readiness[]): readonly WantedImage[] {
  const wanted = new Map<string, WantedImage>()
  for (const { target, namespace, images = [] } of failures)
    for (const { image, why } of images) {
      const users = new Set([...(wanted.get(image)?.users ?? []), target + inNamespace(namespace)])
      wanted.set(image, { image, why, users: [...users] })
    }
  return [...wanted.values()]
}

function describeImages(images: readonly WantedImage[]): string {
  const lines = images.map(({ image, why, users }) => `  "${image}" of ${users.join(', ')}: ${why}`)
  return `${images.length} images cannot be pulled:\n${lines.join('\n')}`
}

export function describeReadiness({ target, namespace, reason }: Readiness): string {
  return `${target}${inNamespace(namespace)}: ${reason}`
}

function inNamespace(namespace: string): string {
  return namespace === 'default' ? '' : ` in namespace "${namespace}"`
}

async function lastLines(kube: KubeClient, { namespace, pod }: Readiness): Promise<string> {
  const { name, container } = pod!
  try {
    const { status } = await kube.request<Pod>('GET', apiPath('Pod', namespace, name))
    const statuses = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
    const { state, lastState } = statuses.find((each) => each.name === container) ?? {}
    // It may have started again since it was judged: the run that has failed is then the one before.
    const previous = !state?.terminated && lastState?.terminated !== undefined
    const log = await readPodLog(kube, namespace, name, { container, previous, tail: 20 })
    return `\nLast lines of container "${container}":\n${log.trimEnd().replaceAll(/^/gm, '  ')}`
  } catch (error) {
    return `\nIts log cannot be read: ${messageOf(error)}`
  }
}
