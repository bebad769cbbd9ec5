import { templatePath } from './kinds.ts'
import type { Labels } from './labels.ts'
import type { KubeObject } from './types.ts'

/** What pods are made of: a part of a manifest, which may be anything. */
export interface PodTemplate {
  readonly metadata?: { readonly labels?: Labels; readonly annotations?: Labels }
  readonly spec?: object
}

/** Of a bare Pod, itself; undefined for what makes no pods. */
export function podTemplate(object: KubeObject): PodTemplate | undefined {
  let value: unknown = object
  for (const key of templatePath(object) ?? ['']) value = (value as Readonly<Record<string, unknown>> | null | undefined)?.[key]
  return (value ?? undefined) as PodTemplate | undefined
}
