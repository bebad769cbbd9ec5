import type { KubeEvent } from '../../kube/types.ts'

interface Named {
  readonly kind: string
  readonly metadata?: { readonly name?: string | undefined; readonly namespace?: string | undefined; readonly uid?: unknown } | undefined
}

/** The events about an object, the last one first. */
export function eventsOf({ kind, metadata = {} }: Named, events: readonly KubeEvent[]): readonly KubeEvent[] {
  return events
    .filter(
      ({ involvedObject: about }) =>
        about.name === metadata.name &&
        about.namespace === metadata.namespace &&
        (about.kind ?? kind) === kind &&
        // Of another one of the same name, such as a StatefulSet's pod before this one.
        (about.uid === undefined || metadata.uid === undefined || about.uid === metadata.uid),
    )
    .toSorted(newestFirst)
}

/** By time, which has whole seconds only, then by the version of the event. */
export function newestFirst(a: KubeEvent, b: KubeEvent): number {
  return timeOf(b).localeCompare(timeOf(a)) || versionOf(b) - versionOf(a)
}

/** To the second: some recorders tell microseconds, and others do not. */
function timeOf({ metadata, series, lastTimestamp, eventTime }: KubeEvent): string {
  return (series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? '').slice(0, 19)
}

/** Comparable as integers, by contract since Kubernetes 1.35 (KEP 5504). */
function versionOf({ metadata }: KubeEvent): number {
  return Number(metadata.resourceVersion ?? 0)
}
