import { isClusterScoped } from '../../kube/kinds.ts'
import type { OwnerReference } from '../../kube/lineage.ts'
import type { KubeObject } from '../../kube/object.ts'
import { belongTo } from '../manifests/belong-to.ts'
import { parseYaml } from '../manifests/parse-yaml.ts'
import { mapContainers, mapPodSpec } from '../manifests/pod-spec.ts'

/** How to change what a chart renders to. */
export interface PostRender {
  /** Of objects that name none. */
  readonly namespace: string
  /** What to use for images of that name. */
  readonly images: Readonly<Record<string, { readonly image: string; readonly imagePullPolicy?: string | undefined }>>
  /** Specs of pods to use instead, by `objectKey`. */
  readonly podSpecs: Readonly<Record<string, unknown>>
  /** What all objects belong to. @default nothing */
  readonly owner?: OwnerReference | undefined
}

export function objectKey({ kind, metadata }: KubeObject, namespace: string): string {
  return `${kind}/${metadata.namespace ?? namespace}/${metadata.name}`
}

/** Changes the objects in the YAML that Helm has rendered, hooks included. Everything else stays as it is. */
export function postRender(yaml: string, { namespace, images, podSpecs, owner }: PostRender): string {
  return parseYaml(yaml, 'the chart', 'What Helm made of')
    .filter(({ value }) => value !== null && value !== undefined)
    .map(({ value }) => `---\n${JSON.stringify(changeAll(value as KubeObject))}\n`)
    .join('')

  function changeAll(object: KubeObject): KubeObject {
    const { items } = object
    return object.kind?.endsWith('List') && Array.isArray(items)
      ? { ...object, items: (items as KubeObject[]).map(change) }
      : change(object)
  }

  function change(object: KubeObject): KubeObject {
    if (owner) refuseOutside(object, namespace)
    const spec = podSpecs[objectKey(object, namespace)]
    const replaced = belongTo(spec === undefined ? object : mapPodSpec(object, () => spec), owner)
    return keepFailed(
      mapContainers(replaced, (container) => {
        const { image, imagePullPolicy } = images[container.image] ?? {}
        const isFree = imagePullPolicy !== undefined && container.imagePullPolicy !== 'Never'
        return image === undefined ? container : { ...container, image, ...(isFree ? { imagePullPolicy } : {}) }
      }),
    )
  }
}

/** Some is rendered only where there is a cluster to look into. */
function refuseOutside({ apiVersion, kind, metadata }: KubeObject, namespace: string): void {
  const why =
    metadata.namespace !== undefined && metadata.namespace !== namespace
      ? `is of namespace "${metadata.namespace}"`
      : isClusterScoped({ apiVersion, kind })
        ? 'is of the whole cluster'
        : undefined
  if (why) throw new Error(`${kind} "${metadata.name}" ${why}, and the suite has namespace "${namespace}" alone`)
}

/**
 * A hook that fails stays, for its log to be read: Helm 4.3 prints none before it deletes it. What is left of any hook,
 * also by a run that was killed, goes before it is made again.
 */
function keepFailed(object: KubeObject): KubeObject {
  const annotations = annotationsOf(object)
  // Without any, that is what Helm does.
  const policies = annotations[deletePolicy]?.split(',').map((policy) => policy.trim())
  if (!policies) return object
  const kept = new Set(['before-hook-creation', ...policies.filter((policy) => policy !== '' && policy !== 'hook-failed')])
  return { ...object, metadata: { ...object.metadata, annotations: { ...annotations, [deletePolicy]: [...kept].join(',') } } }
}

const deletePolicy = 'helm.sh/hook-delete-policy'

/** Whether Helm runs it as a hook, instead of making it a part of the release. */
export function isHook(object: KubeObject): boolean {
  return annotationsOf(object)['helm.sh/hook'] !== undefined
}

function annotationsOf({ metadata }: KubeObject): Readonly<Record<string, string>> {
  return (metadata?.['annotations'] ?? {}) as Readonly<Record<string, string>>
}
