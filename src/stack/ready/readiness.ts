import { type WorkloadKind, describeObject, isWorkload, kindOf } from '../../kube/kinds.ts'
import type { DaemonSet, Deployment, Job, KubeEvent, KubeObject, Pod, ReplicaSet, Service, StatefulSet } from '../../kube/types.ts'
import { isPodReady } from '../../kube/workload.ts'
import { judgeService } from './service-readiness.ts'
import type { ClusterState, Readiness } from './verdict.ts'

/**
 * Milliseconds that a container without a readiness probe must have been running: Kubernetes calls it ready at once, and many that
 * crash do so within this time. kubelet looks once a second for what has ended (genericPlegRelistPeriod, Kubernetes 1.36), and tells
 * it late on a busy machine.
 */
const settleTime = 2500

/** Judges every object that has a readiness of its own; others (ConfigMaps, Secrets …) are ready once applied. */
export function judgeReadiness(applied: readonly KubeObject[], state: ClusterState, mayCrash = false): readonly Readiness[] {
  const workloads = applied.filter(isWorkload).map((object) => judgeWorkload(object, state))
  const notReady = new Set(workloads.filter((each) => each.state !== 'ready').map(({ target, namespace }) => `${namespace}/${target}`))
  return [
    // A crash may be the wait for a neighbour: it is final only once the neighbours are there.
    ...workloads.map((each) =>
      each.state === 'failed' && each.crash && !isFinalCrash(each.crash, notReady.size === 1 && !mayCrash)
        ? { ...each, state: 'pending' as const }
        : each,
    ),
    ...applied
      .filter((object) => kindOf(object) === 'Service')
      .map((object) => judgeService(object as unknown as Service, applied, state, notReady.size === 0)),
  ]
}

interface Crash {
  readonly crashes: number
}

type Judged = Readiness & { readonly crash?: Crash }

/** Alone, the first crash is final. While others are still starting, the fourth: that is after about a minute (back-off of 10, 20 and 40 s). */
function isFinalCrash({ crashes }: Crash, isLast: boolean): boolean {
  return crashes >= (isLast ? 1 : 4)
}

function judgeWorkload(applied: KubeObject & { readonly kind: WorkloadKind }, state: ClusterState): Judged {
  const namespace = applied.metadata.namespace ?? 'default'
  const object = state.objects.find(
    ({ kind, metadata }) =>
      kind === applied.kind && metadata.name === applied.metadata.name && metadata.namespace === applied.metadata.namespace,
  )
  const target = describeObject(applied)
  if (!object) return { target, namespace, state: 'pending', reason: 'not there yet' }
  const own = judges[applied.kind](object)
  const pods = object.kind === 'Pod' ? [object as unknown as Pod] : podsOf(object, state.pods)
  const spoilt = object.kind === 'Job' ? undefined : pods.flatMap(judgeDatabase)[0]
  if (spoilt) return { target, namespace, ...spoilt }
  const isSettled = own.state !== 'ready' || object.kind === 'Job' || pods.every((pod) => hasSettled(pod, state))
  if (own.state !== 'pending' && isSettled) return { target, namespace, ...own }
  const broken = pods
    .flatMap((pod) => judgePod(pod, state.events, object.kind !== 'Job'))
    .toSorted((a, b) => (a.grace ?? 0) - (b.grace ?? 0))[0]
  if (!broken && own.state === 'ready') return { target, namespace, state: 'pending', reason: 'has only just started' }
  return { target, namespace, ...(broken ?? { ...own, reason: [own.reason, ...pods.flatMap(describeWaiting).slice(0, 2)].join(', ') }) }
}

function hasSettled(pod: Pod, { runningFor }: ClusterState): boolean {
  if (pod.status?.phase === 'Succeeded') return true
  const probed = new Set(pod.spec?.containers.filter(({ readinessProbe }) => readinessProbe).map(({ name }) => name))
  return (pod.status?.containerStatuses ?? []).every(
    ({ name, state, containerID = '' }) => probed.has(name) || (state?.running !== undefined && runningFor(containerID) >= settleTime),
  )
}

type Verdict = Pick<Judged, 'state' | 'reason' | 'hint' | 'pod' | 'grace' | 'crash'>

const ready: Verdict = { state: 'ready', reason: '' }
const pending = (reason: string): Verdict => ({ state: 'pending', reason })

const judges: Readonly<Record<WorkloadKind, (object: KubeObject) => Verdict>> = {
  Deployment(object) {
    const { metadata, spec, status } = object as unknown as Deployment
    const wanted = spec?.replicas ?? 1
    const refused = status?.conditions?.find(({ type, status }) => type === 'ReplicaFailure' && status === 'True')
    if (refused) return { state: 'failed', reason: `its pods are refused: ${refused.message}`, grace: 2000 }
    if ((status?.observedGeneration ?? 0) < (metadata?.generation ?? 1)) return pending('not seen by the controller yet')
    const available = status?.availableReplicas ?? 0
    const isCurrent = (status?.updatedReplicas ?? 0) >= wanted && (status?.replicas ?? 0) <= wanted
    return isCurrent && available >= wanted ? ready : pending(`${available} of ${wanted} pods ready${isCurrent ? '' : ', rolling out'}`)
  },
  StatefulSet(object) {
    const { metadata, spec, status } = object as unknown as StatefulSet
    const wanted = spec?.replicas ?? 1
    if ((status?.observedGeneration ?? 0) < (metadata?.generation ?? 1)) return pending('not seen by the controller yet')
    const count = status?.readyReplicas ?? 0
    const isCurrent =
      spec?.updateStrategy?.type === 'OnDelete' || status?.updateRevision === status?.currentRevision || status?.updatedReplicas === wanted
    return count >= wanted && isCurrent ? ready : pending(`${count} of ${wanted} pods ready`)
  },
  DaemonSet(object) {
    const { metadata, status } = object as unknown as DaemonSet
    if ((status?.observedGeneration ?? 0) < (metadata?.generation ?? 1)) return pending('not seen by the controller yet')
    const wanted = status?.desiredNumberScheduled ?? 0
    const count = Math.min(status?.numberReady ?? 0, status?.updatedNumberScheduled ?? 0)
    return count >= wanted ? ready : pending(`${count} of ${wanted} pods ready`)
  },
  ReplicaSet: judgeReplicas,
  ReplicationController: judgeReplicas,
  Job(object) {
    const { spec, status } = object as unknown as Job
    const is = (type: string) => status?.conditions?.find((condition) => condition.type === type && condition.status === 'True')
    if (is('Complete') || spec?.suspend) return ready
    const failed = is('Failed')
    if (failed) return { state: 'failed', reason: `the Job failed: ${failed.message ?? failed.reason}` }
    return pending(`${status?.succeeded ?? 0} of ${spec?.completions ?? 1} completions`)
  },
  Pod(object) {
    const pod = object as unknown as Pod
    if (pod.status?.phase === 'Succeeded' || isPodReady(pod)) return ready
    if (pod.status?.phase !== 'Failed') return pending('not ready')
    const container = pod.status.containerStatuses?.find(({ state }) => state?.terminated && state.terminated.exitCode !== 0)
    const exit = container?.state?.terminated
    return {
      state: 'failed',
      reason: exit
        ? `container "${container.name}" ended with exit code ${exit.exitCode}`
        : `the pod failed: ${pod.status.message ?? pod.status.reason ?? 'no reason given'}`,
      ...(container ? { pod: { name: pod.metadata!.name!, container: container.name, previous: false } } : {}),
    }
  },
}

function judgeReplicas(object: KubeObject): Verdict {
  const { spec, status } = object as unknown as ReplicaSet
  const wanted = spec?.replicas ?? 1
  return (status?.readyReplicas ?? 0) >= wanted ? ready : pending(`${status?.readyReplicas ?? 0} of ${wanted} pods ready`)
}

/** What keeps a pod from ever becoming ready. */
function judgePod(pod: Pod, events: readonly KubeEvent[], crashCounts: boolean): Verdict[] {
  const name = pod.metadata!.name!
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]
  for (const { name: container, image, state, lastState, restartCount } of statuses) {
    const { reason = '', message = '' } = state?.waiting ?? {}
    const why = messageOfEvent(events, pod, /^Failed to pull image|is not present with pull policy/) ?? message
    if (
      ['ImagePullBackOff', 'ErrImageNeverPull', 'InvalidImageName'].includes(reason) ||
      (reason === 'ErrImagePull' && isFinalPullError(why))
    ) {
      return [
        {
          state: 'failed',
          reason: `pod "${name}": image "${image}" cannot be pulled: ${why}`,
          hint: `Build it with images: ['./folder'], or have it in Docker ("docker pull ${image}"): it is imported then.`,
        },
      ]
    }
    if (['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError'].includes(reason)) {
      return [{ state: 'failed', reason: `pod "${name}", container "${container}": ${message || reason}`, grace: 2000 }]
    }
    const exit = state?.terminated ?? lastState?.terminated
    if (
      crashCounts &&
      exit &&
      (reason === 'CrashLoopBackOff' || (state?.terminated && restartCount > 0)) &&
      pod.spec?.restartPolicy !== 'Never'
    ) {
      const why = exit.reason === 'OOMKilled' ? 'was killed for lack of memory (OOMKilled)' : `ended with exit code ${exit.exitCode}`
      return [
        {
          state: 'failed',
          reason: `pod "${name}", container "${container}" ${why}, restarted ${restartCount} times`,
          pod: { name, container, previous: !state?.terminated },
          crash: { crashes: restartCount + (reason === 'CrashLoopBackOff' ? 1 : 0) },
        },
      ]
    }
  }
  const unschedulable = pod.status?.conditions?.find(
    ({ type, status, reason }) => type === 'PodScheduled' && status === 'False' && reason === 'Unschedulable',
  )
  if (unschedulable) return [{ state: 'failed', reason: `pod "${name}" cannot be scheduled: ${unschedulable.message}`, grace: 5000 }]
  if (statuses.some(({ started }) => started)) return []
  const mount = messageOfEvent(events, pod, /^MountVolume.* not found$|references non-existent|persistentvolumeclaim .* not found/s)
  if (mount) return [{ state: 'failed', reason: `pod "${name}": ${mount}`, grace: 3000 }]
  const [, pause, why = ''] =
    /failed to get sandbox image "([^"]+)": (.*)/s.exec(messageOfEvent(events, pod, /failed to get sandbox image/) ?? '') ?? []
  if (!pause) return []
  return [
    {
      state: 'failed',
      reason: `pod "${name}": image "${pause}", which every pod needs ("pause"), cannot be pulled: ${why}`,
      hint: 'Use a node image that brings it, or let the nodes reach its registry (option `nodeEnv`: HTTPS_PROXY).',
      // kubelet tries again, and a registry that did not answer may.
      grace: isFinalPullError(why) ? 3000 : 15_000,
    },
  ]
}

type Container = NonNullable<Pod['spec']>['containers'][number]

/** Whether it runs an image that fills an empty data folder at its first start, and takes what it finds at the next. */
function isDatabase({ image = '', command, env = [], ports }: Container): boolean {
  if (command) return false
  if (databaseImage.test(image)) return true
  // An image of one's own. An application has the same variables where they are its login, and says where the database is.
  const has = (pattern: RegExp) => env.some(({ name }) => pattern.test(name))
  const isServer = ports?.some(({ containerPort }) => [5432, 3306, 27017].includes(containerPort)) ?? true
  return (
    isServer && has(/^(?:POSTGRES|MYSQL|MARIADB|MONGO_INITDB)_/) && !has(/(?:^|_)(?:HOST|HOSTNAME|PORT|SERVER|ADDR|ADDRESS|URL|URI|DSN)$/)
  )
}

const databaseImage =
  /(?:^|\/)(?:postgres(?:ql)?|postgis|pgvector|timescaledb(?:-ha)?|mariadb|mysql(?:-server)?|percona(?:-server)?|mongo(?:db)?)(?:[:@]|$)/

/** A database that failed in its first start looks healthy after the second, without what its init folder had still to do. */
function judgeDatabase({ metadata, spec, status }: Pod): Verdict[] {
  return (status?.containerStatuses ?? []).flatMap(({ name, state, lastState }) => {
    const container = spec?.containers.find((each) => each.name === name)
    const exit = state?.terminated ?? lastState?.terminated
    // Above are signals: somebody has killed it.
    const hasFailed = exit !== undefined && exit.exitCode > 0 && exit.exitCode < 128
    if (!hasFailed || !container || !isDatabase(container)) return []
    return [
      {
        state: 'failed' as const,
        reason: `pod "${metadata?.name}", container "${name}" ended with exit code ${exit.exitCode}: a database that starts again on what its first start has left lacks the rest`,
        pod: { name: metadata!.name!, container: name, previous: !state?.terminated },
        hint: 'Mend what its init folder has, or load the data by the option `seed`, which fails with file and line.',
      },
    ]
  })
}

/** What a second try in ten seconds would not change. */
function isFinalPullError(message: string): boolean {
  return /not found|no such host|connection refused|denied|unauthorized|manifest unknown/i.test(message)
}

function messageOfEvent(events: readonly KubeEvent[], pod: Pod, pattern: RegExp): string | undefined {
  return events.findLast(
    ({ involvedObject, message }) =>
      involvedObject.name === pod.metadata?.name && involvedObject.namespace === pod.metadata?.namespace && pattern.test(message ?? ''),
  )?.message
}

function describeWaiting(pod: Pod): string[] {
  const waiting = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].find(
    ({ state }) => state?.waiting,
  )?.state?.waiting
  const why =
    waiting?.reason ?? (pod.status?.phase === 'Running' ? (isPodReady(pod) ? undefined : 'running and not ready') : pod.status?.phase)
  return why ? [`pod "${pod.metadata?.name}": ${waiting?.message ? `${why}: ${waiting.message}` : why}`] : []
}

/** The pods that a workload is made of now: its own, not on their way out, and of its current revision. */
function podsOf(workload: KubeObject, pods: readonly Pod[]): readonly Pod[] {
  if (
    (workload as { status?: { observedGeneration?: number } }).status?.observedGeneration !== workload.metadata['generation'] &&
    workload.kind !== 'Job'
  )
    return []
  const own = pods.filter(
    (pod) => !pod.metadata?.deletionTimestamp && isOwnedBy(pod, workload) && (workload.kind === 'Job' || !hasEnded(pod)),
  )
  const { updateRevision, updatedReplicas } = (workload as unknown as StatefulSet & Deployment).status ?? {}
  if (workload.kind === 'StatefulSet')
    return own.filter(({ metadata }) => metadata?.labels?.['controller-revision-hash'] === updateRevision)
  if (workload.kind !== 'Deployment') return own
  // The ReplicaSet of the newest pod is the current one, unless the current one has no pod yet.
  const newest = own.toSorted((a, b) => createdAt(b).localeCompare(createdAt(a)))[0]?.metadata?.ownerReferences?.[0]?.uid
  return updatedReplicas ? own.filter(({ metadata }) => metadata?.ownerReferences?.[0]?.uid === newest) : []
}

function isOwnedBy({ metadata }: Pod, workload: KubeObject): boolean {
  const owner = metadata?.ownerReferences?.find(({ controller }) => controller)
  if (workload.kind !== 'Deployment') return owner !== undefined && owner.uid === workload.metadata['uid']
  return (
    owner?.kind === 'ReplicaSet' &&
    metadata?.namespace === workload.metadata.namespace &&
    owner.name.replace(/-[a-z0-9]+$/, '') === workload.metadata.name
  )
}

/** Evicted, or run to its end: its controller makes another one. */
function hasEnded({ status }: Pod): boolean {
  return status?.phase === 'Failed' || status?.phase === 'Succeeded'
}

/** The API server sends text, whatever client-node's type says. */
function createdAt({ metadata }: Pod): string {
  return String(metadata?.creationTimestamp ?? '')
}
