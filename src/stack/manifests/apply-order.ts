import { kindOf, templatePath } from '../../kube/kinds.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { Manifest } from './manifests.ts'
import { selects } from './workloads.ts'

/** What is applied before the next step begins. */
export interface ApplyStep {
  readonly kind: 'namespaces' | 'definitions' | 'rest' | 'workloads' | 'webhooks'
  /** One after the other, as they stand in the files. */
  readonly manifests: readonly Manifest[]
  /** Of webhooks: the workloads that answer them, whose pods have to be made before. */
  readonly backends: readonly Manifest[]
}

/**
 * The order of the files, but for three things: Namespaces and CustomResourceDefinitions come first, and what runs pods comes last,
 * so that a pod finds its configuration, its ServiceAccount and its Service variables. A webhook configuration that stands behind
 * the workload that answers it stays behind it, and in front of the workloads after it: it would refuse the pods that it needs.
 */
export function planOrder(manifests: readonly Manifest[], namespace: string): readonly ApplyStep[] {
  const step = (kind: ApplyStep['kind'], members: readonly Manifest[], backends: readonly Manifest[] = []): ApplyStep => ({
    ...{ kind, backends },
    manifests: members,
  })
  const phases = new Map(manifests.map((manifest) => [manifest, phaseOf(manifest.object)]))
  const backends = new Map(
    manifests.map((manifest, index) => [manifest, backendsOf(manifest, manifests.slice(0, index), manifests, namespace)]),
  )
  const isLate = (manifest: Manifest) => backends.get(manifest)!.length > 0
  const inPhase = (phase: ApplyStep['kind']) => manifests.filter((each) => phases.get(each) === phase && !isLate(each))
  const steps = [step('namespaces', inPhase('namespaces')), step('definitions', inPhase('definitions')), step('rest', inPhase('rest'))]
  let workloads: Manifest[] = []
  for (const manifest of manifests) {
    if (isLate(manifest)) {
      steps.push(step('workloads', workloads), step('webhooks', [manifest], backends.get(manifest)))
      workloads = []
    } else if (phases.get(manifest) === 'workloads') workloads.push(manifest)
  }
  return [...steps, step('workloads', workloads)].filter((each) => each.manifests.length > 0)
}

function phaseOf(object: KubeObject): ApplyStep['kind'] {
  const kind = kindOf(object)
  if (kind === 'Namespace') return 'namespaces'
  if (kind === 'CustomResourceDefinition') return 'definitions'
  return templatePath(object) ? 'workloads' : 'rest'
}

/** The workloads before a webhook configuration whose Services it names. */
function backendsOf({ object }: Manifest, before: readonly Manifest[], all: readonly Manifest[], namespace: string): readonly Manifest[] {
  if (!/^(?:Validating|Mutating)WebhookConfiguration$/.test(object.kind)) return []
  const webhooks = (Array.isArray(object['webhooks']) ? object['webhooks'] : []) as readonly Webhook[]
  const named = webhooks.map((webhook) => webhook?.clientConfig?.service)
  const services = all
    .map((manifest) => place(manifest.object, namespace))
    .filter(
      ({ kind, metadata }) =>
        kind === 'Service' && named.some((each) => each?.name === metadata.name && each.namespace === metadata.namespace),
    )
  return before.filter((each) => templatePath(each.object) && services.some((service) => selects(service, place(each.object, namespace))))
}

interface Webhook {
  readonly clientConfig?: { readonly service?: { readonly name?: string; readonly namespace?: string } }
}

function place(object: KubeObject, namespace: string): KubeObject {
  return { ...object, metadata: { ...object.metadata, namespace: object.metadata.namespace ?? namespace } }
}
