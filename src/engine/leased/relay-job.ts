import { setTimeout as sleep } from 'node:timers/promises'

import { readPackedProgram } from '../../docker/read-program.ts'
import { type KubeClient, unlessGone } from '../../kube/client.ts'
import { apiPath, typed, workloadKinds } from '../../kube/kinds.ts'
import type { OwnerReference } from '../../kube/lineage.ts'
import { listAll } from '../../kube/list-all.ts'
import type { KubeEvent, KubeList, Pod } from '../../kube/types.ts'
import { waitForReady } from '../../stack/ready/wait.ts'
import { isLate } from '../../support/deadline.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { randomId } from '../../support/identity.ts'
import { poll } from '../../support/poll.ts'
import { shellScript } from '../../support/shell-script.ts'
import { runLabelOfObjects } from './labels.ts'

/**
 * The Job that everything of a suite belongs to. Its pod relays connections of this machine into the cluster. When nobody has connected
 * for a while, whoever did is gone: the pod ends, the Job is finished, Kubernetes deletes it, and with it what belongs to it. No right is
 * needed for that in the cluster: the pod has no token.
 */
export interface RelayJob {
  readonly name: string
  readonly owner: OwnerReference
  /** A pod that runs. */
  findPod(signal: AbortSignal): Promise<Pod>
  /** Whether that one still does. */
  isRunning(pod: string, signal: AbortSignal): Promise<boolean>
}

export interface RelayOptions {
  readonly namespace: string
  readonly run: string
  readonly image: string
  /** What the pod's program knows this machine by. */
  readonly token: string
  /** As which it runs. @default 65532: any that is not root will do */
  readonly user?: number | undefined
  /** Told as soon as the Job is there, before anything belongs to it. */
  readonly onOwner: (owner: OwnerReference) => Promise<void>
  readonly signal: AbortSignal
}

/** That the controller of Jobs puts on their pods (Kubernetes 1.27). */
export const jobLabel = 'batch.kubernetes.io/job-name'
/** Of the pod's container. */
export const relayContainer = 'relay'
/** Where the program is in it. */
export const relayProgram = '/run/relay/relay'
/** Where its processes meet. */
export const relayMeeting = '/run/relay/meeting'

/** Where the program takes connections of this machine: in the pod alone. */
export const controlAddress = '127.0.0.1:20000'

/** Milliseconds for an image to be pulled, and the pod to run. */
const startLimit = 120_000
/** How long the pod stays when nobody has connected. */
const grace = '15s'
/** Bytes of the program in one ConfigMap, which may have 1 MiB. */
const pieceSize = 700_000
const architectures = ['amd64', 'arm64'] as const

const startRelay = shellScript<'folder' | 'grace' | 'control' | 'token'>(import.meta.dirname, 'start-relay.sh')

/** @throws ClusterTestError `ERR_CLUSTER_NAMESPACE` when its pod is not made, and what `waitForReady` throws of one that does not run */
export async function startRelayJob(kube: KubeClient, options: RelayOptions): Promise<RelayJob> {
  const { namespace, run, onOwner, signal } = options
  const name = `vitest-kubernetes-${randomId(4)}`
  const root = `/api/v1/namespaces/${namespace}`
  const jobs = jobsPath(namespace)
  const pieces = await readPieces(name)
  // Suspended, until what it mounts is there: that belongs to it from its beginning.
  const { metadata } = await kube.request<{ metadata: { uid: string } }>('POST', jobs, { body: jobOf(name, pieces, options), signal })
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name, uid: metadata.uid, blockOwnerDeletion: true }
  await onOwner(owner)
  const labels = { [runLabelOfObjects]: run }
  for (const { configMap, key, content } of pieces) {
    const body = {
      ...{ apiVersion: 'v1', kind: 'ConfigMap', immutable: true, binaryData: { [key]: content.toString('base64') } },
      metadata: { name: configMap, labels, ownerReferences: [owner] },
    }
    await kube.request('POST', `${root}/configmaps`, { body, signal })
  }
  await kube.request('PATCH', `${jobs}/${name}`, {
    body: { spec: { suspend: false } },
    contentType: 'application/merge-patch+json',
    signal,
  })
  const podsOfJob = async (abort: AbortSignal) => {
    const query = { labelSelector: `${jobLabel}=${name}` }
    const { items } = await kube.request<KubeList<Pod>>('GET', `${root}/pods`, { query, signal: abort })
    return items.filter(({ metadata: of }) => !of?.deletionTimestamp)
  }
  const limit = AbortSignal.any([signal, AbortSignal.timeout(startLimit)])
  const first = await poll(async () => (await podsOfJob(limit))[0] ?? (await refuseIfRefused(kube, namespace, name, limit)), {
    interval: 100,
    signal: limit,
  })
  await waitForReady(kube, [typed('Pod', first)], { signal: limit, namespaces: () => [namespace] }).catch((error: unknown) => {
    if (signal.aborted || !isLate(limit)) throw error
    throw new ClusterTestError('ERR_CLUSTER_NAMESPACE', `The relay in namespace "${namespace}" did not start: ${String(error)}`, {
      cause: error,
    })
  })
  return {
    name,
    owner,
    isRunning: async (pod, abort) =>
      (await podsOfJob(abort)).some(({ metadata: of, status }) => of?.name === pod && status?.phase === 'Running'),
    findPod: (abort) =>
      poll(async () => (await podsOfJob(abort)).find(({ status }) => status?.phase === 'Running'), { interval: 200, signal: abort }),
  }
}

/** The controller of Jobs tries again and again, and says why it fails in events alone. */
async function refuseIfRefused(kube: KubeClient, namespace: string, job: string, signal: AbortSignal): Promise<undefined> {
  const query = { fieldSelector: `involvedObject.name=${job},reason=FailedCreate` }
  const { items } = await kube.request<KubeList<KubeEvent>>('GET', `/api/v1/namespaces/${namespace}/events`, { query, signal })
  const [event] = items
  if (!event) return undefined
  throw new ClusterTestError(
    'ERR_CLUSTER_NAMESPACE',
    `Namespace "${namespace}" does not take the pod by which this machine reaches it: ${event.message?.trim()}`,
    { hint: 'It needs a tenth of a processor, 256 MiB of memory, and no privilege (PodSecurity `restricted`).' },
  )
}

interface Piece {
  readonly configMap: string
  readonly key: string
  readonly content: Buffer
}

/** The program for each kind of machine that nodes may be. */
async function readPieces(name: string): Promise<readonly Piece[]> {
  const programs = await Promise.all(architectures.map((each) => readPackedProgram('relay', `linux/${each}`)))
  return programs.flatMap((program, index) =>
    Array.from({ length: Math.ceil(program.length / pieceSize) }, (_, part) => ({
      configMap: `${name}-${architectures[index]}-${part}`,
      key: `relay-${architectures[index]}.${part}`,
      content: program.subarray(part * pieceSize, (part + 1) * pieceSize),
    })),
  )
}

function jobOf(name: string, pieces: readonly Piece[], { run, image, token, user = 65_532 }: RelayOptions): object {
  const labels = { [runLabelOfObjects]: run }
  const container = {
    ...{ name: relayContainer, image, imagePullPolicy: 'IfNotPresent' },
    command: ['sh', '-ec', startRelay({ folder: '/run/relay', grace, control: controlAddress, token }).text],
    resources: { requests: { cpu: '10m', memory: '32Mi' }, limits: { cpu: '2', memory: '256Mi' } },
    // Go's own limit: before the kernel's ends the process.
    env: [{ name: 'GOMEMLIMIT', value: '200MiB' }],
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
    volumeMounts: [
      { name: 'program', mountPath: '/relay' },
      { name: 'run', mountPath: '/run/relay' },
    ],
  }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, labels },
    spec: {
      ...{ suspend: true, ttlSecondsAfterFinished: 0, backoffLimit: 1_000 },
      template: {
        // Where a mesh would put itself between.
        metadata: { labels: { ...labels, 'sidecar.istio.io/inject': 'false' }, annotations: { 'linkerd.io/inject': 'disabled' } },
        spec: {
          ...{ restartPolicy: 'OnFailure', automountServiceAccountToken: false, terminationGracePeriodSeconds: 1 },
          securityContext: { runAsNonRoot: true, runAsUser: user, seccompProfile: { type: 'RuntimeDefault' } },
          containers: [container],
          volumes: [
            { name: 'program', projected: { sources: pieces.map(({ configMap }) => ({ configMap: { name: configMap } })) } },
            { name: 'run', emptyDir: { sizeLimit: '16Mi' } },
          ],
        },
      },
    },
  }
}

type Selector = { readonly labelSelector: string } | { readonly fieldSelector: string }

/** Deletes Jobs with all that belongs to them. Resolves when nothing of it is left. */
export async function removeRelayJobs(kube: KubeClient, namespace: string, query: Selector, signal: AbortSignal): Promise<void> {
  const find = async () => (await kube.request<KubeList<Owned>>('GET', jobsPath(namespace), { query, signal })).items
  const jobs = await find()
  if (jobs.length === 0) return
  const owners = await findOwners(kube, jobs, signal)
  await endPods(kube, namespace, owners, signal)
  for (const { metadata } of jobs) await removeRelayJob(kube, namespace, metadata.name, signal)
  while ((await find()).length > 0) {
    await endPods(kube, namespace, owners, signal)
    await sleep(100, undefined, { signal })
  }
}

/** What belongs to Jobs, directly or not, and may have pods: by its uid. */
async function findOwners(kube: KubeClient, jobs: readonly Owned[], signal: AbortSignal): Promise<ReadonlySet<string>> {
  const kinds = workloadKinds.filter((kind) => kind !== 'Pod')
  const all = (await Promise.all(kinds.map((kind) => listAll<Owned>(kube, kind, signal)))).flat()
  const found = new Set(jobs.map(({ metadata }) => metadata.uid))
  for (let size = 0; size < found.size;) {
    size = found.size
    for (const each of all) if (belongsTo(each, found)) found.add(each.metadata.uid)
  }
  return found
}

function belongsTo({ metadata }: Owned, owners: ReadonlySet<string>): boolean {
  return metadata.ownerReferences?.some(({ uid }) => owners.has(uid)) ?? false
}

/** Begins to: what belongs to the Job goes before it. */
async function removeRelayJob(kube: KubeClient, namespace: string, name: string, signal: AbortSignal): Promise<void> {
  const body = { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Foreground' }
  await unlessGone(kube.request('DELETE', `${jobsPath(namespace)}/${name}`, { body, signal }))
}

/**
 * Ends pods without the time that they may take for it (30 s, unless they say otherwise): what they do is of a test that is over. kubelet
 * does not hurry up once it has begun, so this is to come before whoever else deletes them, again and again: others may take their place
 * for a moment.
 */
async function endPods(kube: KubeClient, namespace: string, owners: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
  const path = apiPath('Pod', namespace)
  const { items } = await kube.request<KubeList<Owned>>('GET', path, { signal })
  const own = items.filter((pod) => belongsTo(pod, owners) && (pod.metadata.deletionGracePeriodSeconds ?? Infinity) > 1)
  const end = ({ metadata }: Owned) =>
    unlessGone(kube.request('DELETE', `${path}/${metadata.name}`, { query: { gracePeriodSeconds: 1 }, signal }))
  await Promise.all(own.map(end))
}

interface Owned {
  readonly metadata: {
    readonly name: string
    readonly uid: string
    readonly deletionGracePeriodSeconds?: number
    readonly ownerReferences?: readonly { readonly uid: string }[]
  }
}

function jobsPath(namespace: string): string {
  return `/apis/batch/v1/namespaces/${namespace}/jobs`
}
