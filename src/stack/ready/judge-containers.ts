import type { KubeEvent, Pod } from '../../kube/types.ts'
import { counted } from '../../support/format.ts'
import { eventsOf } from './events-of.ts'
import { missingOf } from './missing.ts'
import { ruleFor } from './reasons.ts'
import { type Verdict, failedBy } from './verdict.ts'

type ContainerStatus = NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number]

/** What keeps the containers of a pod from running, init containers and sidecars included. */
export function judgeContainers(pod: Pod, events: readonly KubeEvent[], crashCounts: boolean): readonly Verdict[] {
  const own = eventsOf({ kind: 'Pod', metadata: pod.metadata }, events)
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {}
  return [
    ...initContainerStatuses.map((status) => [status, true] as const),
    ...containerStatuses.map((status) => [status, false] as const),
  ].flatMap(([status, isInit]) => [
    ...judgePull(pod, status, own),
    ...judgeCreation(pod, status),
    ...(crashCounts ? judgeCrash(pod, status, isInit, own) : []),
  ])
}

const pullReasons = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'ImageInspectError',
  'RegistryUnavailable',
  'SignatureValidationFailed',
])

function judgePull({ metadata, spec }: Pod, { image, state }: ContainerStatus, events: readonly KubeEvent[]): readonly Verdict[] {
  const { reason = '', message = '' } = state?.waiting ?? {}
  if (!pullReasons.has(reason)) return []
  // That of a back-off says no more than that.
  const told = events.find(
    (event) => event.message?.includes(`"${image}"`) && /^Failed to pull image|not present with pull/.test(event.message),
  )
  const why = told?.message ?? message
  const { name, namespace = 'default' } = metadata ?? {}
  const secrets = events.find((event) => event.reason === 'FailedToRetrieveImagePullSecret')?.message
  const [absent] = /\(([^)]+)\)/.exec(secrets ?? '')?.[1]?.split(', ') ?? []
  return failedBy(ruleFor('container', reason, why), {
    reason: `pod "${name}": image "${image}" cannot be pulled: ${why || reason}${absent ? ` (imagePullSecret "${absent}" is not there)` : ''}`,
    hint: `Build it with images: ['./folder'], or pull it into Docker ("docker pull ${image}"): it is then imported.`,
    cause: `${name} image`,
    images: [{ image, why: why || reason }],
    missing: absent && spec?.imagePullSecrets?.length ? { kind: 'Secret', namespace, name: absent } : undefined,
  })
}

function judgeCreation(pod: Pod, { name: container, state }: ContainerStatus): readonly Verdict[] {
  const { reason = '', message = '' } = state?.waiting ?? {}
  if (pullReasons.has(reason)) return []
  const { name, namespace = 'default' } = pod.metadata ?? {}
  return failedBy(ruleFor('container', reason, message), {
    reason: `pod "${name}", container "${container}": ${message || reason}`,
    cause: `${name} ${reason}`,
    missing: missingOf(message, namespace, pod),
  })
}

function judgeCrash(pod: Pod, status: ContainerStatus, isInit: boolean, events: readonly KubeEvent[]): readonly Verdict[] {
  const { name: container, state, lastState, restartCount } = status
  const isBackingOff = state?.waiting?.reason === 'CrashLoopBackOff'
  const exit = state?.terminated ?? lastState?.terminated
  const hasRestarted = state?.terminated !== undefined && restartCount > 0 && !(isInit && state.terminated.exitCode === 0)
  if (!exit || pod.spec?.restartPolicy === 'Never' || !(isBackingOff || hasRestarted)) return []
  const { name } = pod.metadata!
  return [
    {
      state: 'failed',
      reason: `pod "${name}", container "${container}" ${describeEnd(exit)}, restarted ${counted(restartCount, 'time')}${describeProbe(container, events)}`,
      pod: { name: name!, container },
      cause: `${name} crash`,
      crashes: isHopeless(pod, exit.message) ? Infinity : restartCount + (isBackingOff ? 1 : 0),
    },
  ]
}

type Exit = NonNullable<NonNullable<ContainerStatus['state']>['terminated']>

/** `ended with exit code 3` */
export function describeEnd({ reason, exitCode, message }: Exit): string {
  if (reason === 'OOMKilled') return 'ran out of memory (OOMKilled)'
  if (reason === 'StartError' || reason === 'ContainerCannotRun') return `could not be started: ${message}`
  return `ended with exit code ${exitCode}`
}

/** What kubelet has ended it for. */
function describeProbe(container: string, events: readonly KubeEvent[]): string {
  const told = events.find(
    ({ involvedObject, reason = '', message = '' }) =>
      involvedObject.fieldPath?.endsWith(`{${container}}`) &&
      (reason === 'FailedPostStartHook' || (reason === 'Unhealthy' && /^(?:Liveness|Startup)/.test(message))),
  )
  return told ? `: ${told.message?.trim()}` : ''
}

/** No neighbour brings a program into an image; one could into a folder of the node. */
function isHopeless({ spec }: Pod, message = ''): boolean {
  return /executable file not found|no such file or directory/.test(message) && !spec?.volumes?.some(({ hostPath }) => hostPath)
}
