import type { KubeClient } from '../kube/client.ts'
import { type Kind, listPath } from '../kube/kinds.ts'
import { type Namespaced, isInNamespaces } from '../kube/namespaces.ts'
import { podState, restartsOf } from '../kube/pod-state.ts'
import { type Secret, secretValues } from '../kube/secrets.ts'
import type { KubeEvent, Pod } from '../kube/types.ts'
import { type WatchedList, watchList } from '../kube/watch-list.ts'
import { isStartOfNode } from '../stack/ready/changes.ts'
import type { SuiteRecorder } from './recorder.ts'

export interface WatchOptions {
  readonly recorder: SuiteRecorder
  /** Those of the suite; undefined for all. */
  readonly namespaces: () => readonly string[] | undefined
  readonly signal: AbortSignal
}

/** Follows the pods, events and Secrets of a cluster into a suite's record until it is disposed. */
export async function watchCluster(kube: KubeClient, { recorder, namespaces, signal }: WatchOptions): Promise<AsyncDisposable> {
  const isOwn = (object: Namespaced) => isInNamespaces(object, namespaces())
  await using cleanup = new AsyncDisposableStack()
  const follow = async <T extends { metadata?: object }>(kind: Kind, note: (items: readonly T[]) => void): Promise<WatchedList<T>> => {
    // The first list comes before the value that holds it.
    let list: WatchedList<T> | undefined
    const onChange = () => {
      if (list) note(list.items)
    }
    list = cleanup.use(await watchList<T>(kube, listPath(kind, kube.scope), { onChange, signal }))
    onChange()
    return list
  }
  await Promise.all([
    follow<Secret>('Secret', (secrets) => {
      for (const secret of secrets) if (isInNamespaces(secret, undefined)) recorder.addSecrets(secretValues(secret))
    }),
    follow<Pod>('Pod', notePods(recorder, isOwn)),
    follow<KubeEvent>('Event', noteEvents(recorder, isOwn)),
  ])
  const owned = cleanup.move()
  return { [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

type IsOwn = (object: Namespaced) => boolean

function notePods(recorder: SuiteRecorder, isOwn: IsOwn): (pods: readonly Pod[]) => void {
  let known = new Set<string>()
  return (pods) => {
    const own = pods.filter(isOwn)
    for (const pod of own) {
      const { uid = '', namespace = '', name = '' } = pod.metadata ?? {}
      recorder.addName(name)
      recorder.pod(uid, { namespace, name, state: podState(pod), restarts: restartsOf(pod) })
    }
    const present = new Set(own.map(({ metadata }) => metadata?.uid ?? ''))
    for (const uid of known) if (!present.has(uid)) recorder.podGone(uid)
    known = present
  }
}

function noteEvents(recorder: SuiteRecorder, isOwn: IsOwn): (events: readonly KubeEvent[]) => void {
  const counts = new Map<string, number>()
  return (events) => {
    for (const event of events) {
      const { metadata, type = '', reason = '', message = '', count = 1, involvedObject } = event
      const uid = metadata.uid ?? ''
      // One event is counted up when it comes again.
      if (!isOwn(event) || isStartOfNode(event) || counts.get(uid) === count) continue
      counts.set(uid, count)
      const object = `${involvedObject.kind?.toLowerCase()}/${involvedObject.name}`
      recorder.event({ at: timeOf(event), type, reason, object, message: message.trim() })
    }
  }
}

function timeOf({ lastTimestamp, eventTime, metadata }: KubeEvent): number {
  const time = Date.parse(lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? '')
  return Number.isNaN(time) ? Date.now() : time
}
