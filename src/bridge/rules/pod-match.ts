import { type Labels, selectorFits } from '../../kube/labels.ts'
import { type WorkloadRef, isOf } from '../../kube/lineage.ts'
import type { Pod } from '../../kube/types.ts'
import { quote } from '../../support/sh.ts'

/** Which pods of a namespace: those of a workload, or those that a Service selects. */
export type PodMatch = { readonly namespace: string } & (
  | {
      /** The workload and those that it is of itself, see lineage.ts. */
      readonly lineage: readonly [WorkloadRef, ...WorkloadRef[]]
    }
  | { readonly selector: Labels }
)

export function isMatch(match: PodMatch, { metadata }: Pod): boolean {
  return 'lineage' in match ? isOf({ kind: 'Pod', metadata }, match.lineage[0]) : selectorFits(match.selector, metadata?.labels)
}

/** Characters of the names that Kubernetes makes up: `SafeEncodeString` and `String` of k8s.io/apimachinery/pkg/util/rand. */
const random = 'bcdfghjklmnpqrstvwxz2456789'

/** Of a name that is made up, as many characters are left for its beginning: `maxGeneratedNameLength` of k8s.io/apiserver/pkg/storage/names. */
const room = 58

/**
 * How a node, which does not know owners, recognises the pods of a match, in sh. `may_match` goes by `$name` alone, and is true for
 * some others too; `does_match` has the sandbox's labels, as `ctr` prints them, in `$labels`.
 */
export function matchFunctions(match: PodMatch): string {
  const where = `case $namespace in ${match.namespace}) ;; *) return 1 ;; esac`
  const { name, labels } = 'lineage' in match ? testsOf(match.lineage[0]) : { name: '', labels: hasLabels(match.selector) }
  return `may_match() {
  ${[where, name].filter(Boolean).join('\n  ')}
}
has_label() { case $labels in *"$1"*) ;; *) return 1 ;; esac; }
does_match() {
  ${labels || ':'}
}`
}

interface Tests {
  readonly name: string
  readonly labels: string
}

function testsOf({ kind, name }: WorkloadRef): Tests {
  switch (kind) {
    case 'Pod':
      return { name: `[ "$name" = ${name} ]`, labels: '' }
    case 'StatefulSet':
      return { name: rest(name, '0-9'), labels: hasKey('statefulset.kubernetes.io/pod-name') }
    case 'Deployment':
      return { name: rest(name, `${random}-`), labels: isOfReplicaSet(name) }
    case 'DaemonSet':
      return { name: rest(name, random), labels: hasKey('pod-template-generation') }
    case 'ReplicaSet':
    case 'ReplicationController':
      return { name: rest(name, random), labels: `! ${hasKey('controller-revision-hash')} && ! ${hasKey('job-name')}` }
    case 'Job':
      return { name: rest(name, `0-9${random}-`), labels: hasLabels({ 'job-name': name }) }
  }
}

/** What follows the workload's name consists of nothing else. */
function rest(name: string, characters: string): string {
  const start = `${name}-`.slice(0, room)
  return `case $name in ${start}*) ;; *) return 1 ;; esac
  case \${name#${start}} in *[!${characters}]*) return 1 ;; esac`
}

/** The pod's name is that of its ReplicaSet, which is the Deployment's with the hash, and five random characters. */
function isOfReplicaSet(deployment: string): string {
  return `hash=\${labels#*'"pod-template-hash": "'}
  [ "$hash" != "$labels" ] || return 1
  case $name in "$(printf %.${room}s "${deployment}-\${hash%%'"'*}-")"?????) ;; *) return 1 ;; esac`
}

function hasLabels(labels: Labels): string {
  return Object.entries(labels)
    .map(([key, value]) => has(`"${key}": "${value}"`))
    .join(' && ')
}

function hasKey(key: string): string {
  return has(`"${key}": "`)
}

function has(text: string): string {
  return `has_label ${quote(text)}`
}
