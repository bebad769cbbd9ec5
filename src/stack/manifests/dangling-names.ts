import { kindOf } from '../../kube/kinds.ts'
import type { Manifest } from './manifests.ts'

/** The end of a name that Kustomize has generated (kyaml, hash encoding). */
const suffix = /-[2456789bcdfghkmt]{10}$/

/**
 * Notes for objects of kinds that Kustomize does not know, and which name a ConfigMap or Secret as it is in the kustomization: the
 * generated one has another name.
 */
export function noteDanglingNames(manifests: readonly Manifest[]): readonly Manifest[] {
  const sources = manifests.map(({ object }) => object).filter((object) => ['ConfigMap', 'Secret'].includes(kindOf(object) ?? ''))
  const names = new Set(sources.map(({ metadata }) => metadata.name))
  const generated = new Map([...names].filter((name) => suffix.test(name)).map((name) => [name.replace(suffix, ''), name]))
  for (const name of names) generated.delete(name)
  if (generated.size === 0) return manifests
  return manifests.map((manifest) => {
    const { object, origin, notes = [] } = manifest
    if (kindOf(object)) return manifest
    const own = [...textsIn({ ...object, metadata: undefined })].filter((text) => generated.has(text))
    const told = [...new Set(own)].map(
      (name) =>
        `${origin}: ${object.kind} "${object.metadata.name}" names "${name}", which Kustomize has generated as "${generated.get(name)}"`,
    )
    return told.length > 0 ? { ...manifest, notes: [...notes, ...told] } : manifest
  })
}

function* textsIn(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value
  else if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) yield* textsIn(each)
}
