import { templatePath } from '../../kube/kinds.ts'
import type { KubeObject } from '../../kube/object.ts'

/** A container of a manifest, which may be anything: nobody has checked it yet. */
export interface Container {
  readonly name: string
  readonly image: string
  readonly imagePullPolicy?: string
  readonly [key: string]: unknown
}

/** A copy of a workload with its containers changed; other kinds come back as they are. */
export function mapContainers(object: KubeObject, map: (container: Container) => Container): KubeObject {
  return mapPodSpec(object, (spec) => {
    const lists = ['containers', 'initContainers'].filter((key) => Array.isArray(spec[key]))
    return {
      ...spec,
      ...Object.fromEntries(
        lists.map((key) => [key, (spec[key] as Container[]).map((each) => (typeof each?.image === 'string' ? map(each) : each))]),
      ),
    }
  })
}

/** A copy of a workload with the spec of its pods changed; other kinds come back as they are. */
export function mapPodSpec(object: KubeObject, map: (spec: Record<string, unknown>) => unknown): KubeObject {
  const path = templatePath(object)
  return path ? (mapPath(object, [...path, 'spec'], map) as KubeObject) : object
}

function mapPath(value: unknown, [key, ...rest]: readonly string[], map: (value: Record<string, unknown>) => unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (key === undefined) return map(value as Record<string, unknown>)
  return { ...value, [key]: mapPath((value as Record<string, unknown>)[key], rest, map) }
}
