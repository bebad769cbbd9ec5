import type { KubeObject } from '../kube/types.ts'
import { parseYaml } from './parse-yaml.ts'
import { mapContainers, mapPodSpec } from './pod-spec.ts'

/** How to change what a chart renders to. */
export interface PostRender {
  /** Of objects that name none. */
  readonly namespace: string
  /** What to use for images of that name. */
  readonly images: Readonly<Record<string, { readonly image: string; readonly imagePullPolicy?: string | undefined }>>
  /** Specs of pods to use instead, by `objectKey`. */
  readonly podSpecs: Readonly<Record<string, unknown>>
}

export function objectKey({ kind, metadata }: KubeObject, namespace: string): string {
  return `${kind}/${metadata.namespace ?? namespace}/${metadata.name}`
}

/** Changes the objects in the YAML that Helm has rendered, hooks included. Everything else stays as it is. */
export function postRender(yaml: string, { namespace, images, podSpecs }: PostRender): string {
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
    const spec = podSpecs[objectKey(object, namespace)]
    const replaced = spec === undefined ? object : mapPodSpec(object, () => spec)
    return showLog(
      mapContainers(replaced, (container) => {
        const { image, imagePullPolicy } = images[container.image] ?? {}
        return image === undefined ? container : { ...(imagePullPolicy === undefined ? {} : { imagePullPolicy }), ...container, image }
      }),
    )
  }
}

/** Helm prints the log of a hook that fails before it deletes its pod. */
function showLog(object: KubeObject): KubeObject {
  const annotations = (object.metadata?.['annotations'] ?? {}) as Readonly<Record<string, unknown>>
  if (annotations['helm.sh/hook'] === undefined) return object
  return { ...object, metadata: { ...object.metadata, annotations: { 'helm.sh/hook-output-log-policy': 'hook-failed', ...annotations } } }
}
