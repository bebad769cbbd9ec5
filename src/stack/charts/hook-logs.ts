import type { KubeClient } from '../../kube/client.ts'
import { describeObject } from '../../kube/kinds.ts'
import { readPodLog } from '../../kube/logs.ts'
import type { KubeList, Pod } from '../../kube/types.ts'
import { messageOf } from '../../support/errors.ts'
import type { ChartPlan } from './charts.ts'
import { isHook } from './post-render.ts'

/** The last lines of the pods of hooks that have failed. Never throws: what cannot be read is said. */
export async function readHookLogs(kube: KubeClient, { manifests, namespace: own }: ChartPlan): Promise<string> {
  const signal = AbortSignal.timeout(10_000)
  const hooks = manifests.map(({ object }) => object).filter((object) => isHook(object) && ['Job', 'Pod'].includes(object.kind))
  const texts = hooks.map(async (hook) => {
    const { kind, metadata } = hook
    const namespace = metadata.namespace ?? own
    const query =
      kind === 'Job'
        ? { labelSelector: `batch.kubernetes.io/job-name=${metadata.name}` }
        : { fieldSelector: `metadata.name=${metadata.name}` }
    try {
      const { items } = await kube.request<KubeList<Pod>>('GET', `/api/v1/namespaces/${namespace}/pods`, { query, signal })
      const failed = items.flatMap(failedContainers)
      const logs = failed.map(async ({ pod, container, exitCode }) => {
        const log = await readPodLog(kube, namespace, pod, { container, previous: false, tail: 20 })
        return `\nHook ${describeObject(hook)} ended with exit code ${exitCode}. Last lines of container "${container}":\n${log.trimEnd().replaceAll(/^/gm, '  ')}`
      })
      return (await Promise.all(logs)).join('')
    } catch (error) {
      return `\nThe log of hook ${describeObject(hook)} cannot be read: ${messageOf(error)}`
    }
  })
  return (await Promise.all(texts)).join('')
}

function failedContainers({ metadata, status }: Pod) {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].flatMap(({ name, state }) =>
    state?.terminated && state.terminated.exitCode !== 0
      ? [{ pod: metadata!.name!, container: name, exitCode: state.terminated.exitCode }]
      : [],
  )
}
