import { describeObject, isWorkload } from '../kube/kinds.ts'
import type { KubeObject } from '../kube/object.ts'
import { podTemplate } from '../kube/pod-template.ts'
import { parseWorkload } from '../kube/workload.ts'
import { parseImageName } from '../stack/images/image-names.ts'
import type { ImagePlan } from '../stack/images/images.ts'
import type { Manifest } from '../stack/manifests/manifests.ts'
import { type Container, mapContainers, mapPodSpec } from '../stack/manifests/pod-spec.ts'
import { selects } from '../stack/manifests/workloads.ts'
import { ClusterTestError } from '../support/errors.ts'
import { formatList } from '../support/format.ts'
import { chooseBridged } from './rules/target.ts'

/** A workload that is bridged with its suite, as far as the manifests are concerned. */
export interface BridgedWorkload {
  readonly workload: string
  readonly namespace?: string | undefined
  readonly containerName?: string | undefined
  /** Repository of the local image, or name of the folder that it is built from. */
  readonly image?: string | undefined
  /** @default whether the manifest names that image, and nothing else brings it */
  readonly standIn?: boolean | undefined
}

interface StandInOptions {
  readonly bridged: readonly BridgedWorkload[]
  /** What the option `images` brings. */
  readonly images: ImagePlan
  /** Of objects that name none. */
  readonly namespace: string
}

/** Manifests in which workloads run a stand-in, and what to tell of each. */
export interface StandIns {
  readonly manifests: readonly Manifest[]
  readonly notes: readonly string[]
}

/** What does nothing. */
export interface StandIn {
  readonly image: string
  /** @default the image's own */
  readonly command?: readonly string[]
}

/** Stands for the pause image of the node, which a node has to be asked for. */
export const standInImage = 'vitest-kubernetes/stand-in'

/** What belongs to the program that is not there. Environment, mounts, ports and resources stay. */
const partsOfProgram = ['command', 'args', 'workingDir', 'livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle']

/**
 * Lets workloads run without the image that is being bridged: its containers do nothing, and those that would run to their
 * end first are taken out. Nothing of the image is left to look for, pull or import.
 */
export function planStandIns(manifests: readonly Manifest[], { bridged, images, namespace }: StandInOptions): StandIns {
  const brought = new Set([...images.builds, ...images.pulls].map(({ name }) => name))
  const notes: string[] = []
  return {
    notes,
    manifests: manifests.map((manifest) => {
      const target = bridged.find((each) => isTarget(each, manifest.object, manifests, namespace))
      if (!target || target.standIn === false) return manifest
      // A stand-in never ends, and a Job is ready when it has.
      if (manifest.object.kind === 'Job') return manifest
      return { ...manifest, object: mapPodSpec(manifest.object, (spec) => replaceIn(spec, manifest.object, target)) }
    }),
  }

  function replaceIn(spec: Record<string, unknown>, object: KubeObject, target: BridgedWorkload): unknown {
    const containers = containersOf(spec, 'containers')
    if (containers.length === 0 || !(target.standIn || target.image)) return spec
    const { annotations } = podTemplate(object)?.metadata ?? {}
    const { image } = chooseBridged(
      containers as readonly (Container & { ports?: [] })[],
      annotations,
      target.containerName,
      target.workload,
    )
    if (typeof image !== 'string') return spec
    const isBrought = [...brought].some((name) => isNamed(name, image))
    if (!(target.standIn ?? (target.image !== undefined && isNamed(target.image, image) && !isBrought))) return spec
    const isSame = (each: Container) =>
      typeof each.image === 'string' && parseImageName(each.image).repository === parseImageName(image).repository
    const initContainers = containersOf(spec, 'initContainers')
    const left = initContainers.filter(isSame).map(({ name }) => name)
    notes.push(
      `${describeObject(object)} runs a stand-in for "${image}"${left.length > 0 ? `, without init container ${formatList(left)}` : ''}`,
    )
    return {
      ...spec,
      containers: containers.map((each) => (isSame(each) ? standInFor(each) : each)),
      ...(initContainers.length > 0 ? { initContainers: initContainers.filter((each) => !isSame(each)) } : {}),
    }
  }
}

/**
 * Refuses what the user asked for and cannot be.
 * @throws ClusterTestError `ERR_OPTIONS_INVALID` with the workloads that there are
 */
export function checkStandIns(manifests: readonly Manifest[], { bridged, namespace }: Omit<StandInOptions, 'images'>): void {
  for (const each of bridged.filter(({ standIn }) => standIn)) {
    const option = `bridge["${each.workload}"].standIn`
    const targets = manifests.filter(({ object }) => isTarget(each, object, manifests, namespace))
    if (targets.length === 0)
      throw new ClusterTestError('ERR_OPTIONS_INVALID', `Option \`${option}\` names a workload that is not in the manifests.`, {
        hint: `They have ${formatList(manifests.filter(({ object }) => isWorkload(object)).map(({ object }) => describeObject(object)))}.`,
      })
    if (targets.some(({ object }) => object.kind === 'Job'))
      throw new ClusterTestError('ERR_OPTIONS_INVALID', `Option \`${option}\` cannot name a Job: a stand-in never ends.`)
  }
}

/** Names the image of stand-ins, now that a node can tell it. */
export async function fillStandIns(manifests: readonly Manifest[], readStandIn: () => Promise<StandIn>): Promise<readonly Manifest[]> {
  let isNeeded = false
  const fill = (object: KubeObject, standIn: StandIn) =>
    mapContainers(object, (container) => {
      isNeeded ||= container.image === standInImage
      return container.image === standInImage ? { ...container, ...standIn } : container
    })
  for (const { object } of manifests) fill(object, { image: '' })
  if (!isNeeded) return manifests
  const standIn = await readStandIn()
  return manifests.map((manifest) => ({ ...manifest, object: fill(manifest.object, standIn) }))
}

function standInFor(container: Container): Container {
  const kept = Object.entries(container).filter(([key]) => !partsOfProgram.includes(key)) as unknown as [string, string][]
  return { ...(Object.fromEntries(kept) as unknown as Container), image: standInImage, imagePullPolicy: 'IfNotPresent' }
}

/** As the option `images` matches: `orders` is `orders:dev` as well as `registry.example.com/shop/orders:1.2`. */
function isNamed(name: string, image: string): boolean {
  const { repository, base } = parseImageName(image)
  return name === repository || name === base
}

function isTarget(
  { workload, namespace }: BridgedWorkload,
  object: KubeObject,
  manifests: readonly Manifest[],
  defaultNamespace: string,
): boolean {
  const wanted = namespace ?? defaultNamespace
  const placed = ({ metadata, ...rest }: KubeObject) => ({
    ...rest,
    metadata: { ...metadata, namespace: metadata.namespace ?? defaultNamespace },
  })
  const isIn = (each: KubeObject) => placed(each).metadata.namespace === wanted
  if (!isWorkload(object) || !isIn(object)) return false
  const service = /^(?:service|svc)\/(.+)$/.exec(workload)?.[1]
  if (service === undefined) {
    const { kind, name } = parseWorkload(workload)
    return object.kind === kind && object.metadata.name === name
  }
  return manifests.some(
    ({ object: each }) => each.kind === 'Service' && each.metadata.name === service && isIn(each) && selects(placed(each), placed(object)),
  )
}

function containersOf(spec: Record<string, unknown>, key: string): readonly Container[] {
  return Array.isArray(spec[key]) ? (spec[key] as Container[]).filter((each) => typeof each === 'object' && each !== null) : []
}
