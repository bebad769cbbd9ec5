import { isWorkload, kindOf, templatePath } from '../../kube/kinds.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { Needs } from './reasons.ts'
import type { Facts } from './verdict.ts'

/** Something that is not ready: a workload, or a pod that nobody applied. */
export interface Unready {
  readonly object: KubeObject
  /** Whether it is not even there yet: nobody knows what it may do. */
  readonly isComing?: boolean
  /** What it waits for by itself; undefined while it is starting. */
  readonly needs?: Needs | undefined
  /** Whether it never will be ready, whatever others do. */
  readonly isHopeless?: boolean
}

/** What goes on besides, such as a seed or a release, and may do anything once these workloads are ready. */
export interface Work {
  readonly after: readonly KubeObject[]
}

/**
 * Those that cannot become ready: what they need comes from nothing that is still starting, nor from something that could be helped
 * itself.
 */
export function findStuck<T extends Unready>(unready: readonly T[], work: readonly Work[], facts: Facts): readonly T[] {
  const starting = new Set(unready.filter(({ needs, isHopeless }) => needs === undefined && !isHopeless))
  let stuck = unready.filter(({ needs }) => needs !== undefined)
  while (true) {
    const isWorking = work.some(({ after }) => !stuck.some(({ object }) => after.includes(object)))
    const helped = stuck.filter((each) => isWorking || [...starting].some((other) => mayHelp(other, each, facts)))
    if (helped.length === 0) return stuck
    for (const each of helped) starting.add(each)
    stuck = stuck.filter((each) => !starting.has(each))
  }
}

function mayHelp({ object: helper, isComing }: Unready, { object, needs }: Unready, facts: Facts): boolean {
  if (needs === 'anything' || isComing) return true
  return needs === 'objects' ? mayMakeObjects(helper, namespaceOf(object), facts) : takesRoomForAWhile(helper)
}

interface PodSpec {
  readonly serviceAccountName?: string
  readonly restartPolicy?: string
  readonly volumes?: readonly { readonly hostPath?: object }[]
}

/** Whether the pods of an object may make objects, or what a folder of a node lacks. */
function mayMakeObjects(object: KubeObject, namespace: string, facts: Facts): boolean {
  return isController(object, namespace, facts) || (podSpecOf(object).volumes ?? []).some(({ hostPath }) => hostPath)
}

/**
 * Whether the pods of an object may write to a namespace, by a binding of their ServiceAccount: in k3s, as in every cluster with RBAC,
 * one without a binding may not.
 */
export function isController(object: KubeObject, namespace: string, { bindings }: Facts): boolean {
  const { serviceAccountName = 'default' } = podSpecOf(object)
  return bindings
    .filter((binding) => isGranted(binding) && (kindOf(binding) === 'ClusterRoleBinding' || binding.metadata.namespace === namespace))
    .some((binding) => subjectsOf(binding).some((subject) => includes(subject, namespaceOf(object), serviceAccountName)))
}

function namespaceOf({ metadata }: KubeObject): string {
  return metadata.namespace ?? 'default'
}

/** Others than those that every cluster has for all who log in. */
function isGranted({ metadata }: KubeObject): boolean {
  return metadata.labels?.['kubernetes.io/bootstrapping'] !== 'rbac-defaults'
}

interface Subject {
  readonly kind: string
  readonly name: string
  readonly namespace?: string
}

function subjectsOf(binding: KubeObject): readonly Subject[] {
  return (binding as { subjects?: readonly Subject[] }).subjects ?? []
}

function includes({ kind, name, namespace }: Subject, ownNamespace: string, account: string): boolean {
  if (kind === 'ServiceAccount') return name === account && namespace === ownNamespace
  if (kind === 'User') return name === `system:serviceaccount:${ownNamespace}:${account}`
  return ['system:authenticated', 'system:serviceaccounts', `system:serviceaccounts:${ownNamespace}`].includes(name)
}

/** Pods that end by themselves: those of a rollout go only when a new one has its place. */
function takesRoomForAWhile(helper: KubeObject): boolean {
  return kindOf(helper) === 'Job' || (kindOf(helper) === 'Pod' && podSpecOf(helper).restartPolicy !== 'Always')
}

function podSpecOf(object: KubeObject): PodSpec {
  if (!isWorkload(object) && kindOf(object) !== 'CronJob') return {}
  const template = templatePath(object)!.reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], object)
  return (template as { spec?: PodSpec } | undefined)?.spec ?? {}
}
