import { templatePath } from './kinds.ts'
import type { Labels } from './labels.ts'
import type { KubeObject } from './object.ts'

/** What pods are made of: a part of a manifest, which may be anything. */
export interface PodTemplate {
  readonly metadata?: { readonly labels?: Labels; readonly annotations?: Labels }
  readonly spec?: object
}

/** Of a bare Pod, itself; undefined for what makes no pods. */
export function podTemplate(object: KubeObject): PodTemplate | undefined {
  const path = templatePath(object) ?? ['']
  const found = path.reduce<unknown>((value, key) => (value as Readonly<Record<string, unknown>> | null | undefined)?.[key], object)
  return (found as PodTemplate | null) ?? undefined
}
