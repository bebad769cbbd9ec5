import { resolve } from 'node:path'

import { checkStandIns, planStandIns } from '../bridge/stand-in.ts'
import { describeObject } from '../kube/kinds.ts'
import { type PlannedSeed, planSeeds } from '../seed/plan-seeds.ts'
import { type ChartPlan, definedVersions, namespacesOf, planCharts } from '../stack/charts/charts.ts'
import { isHook } from '../stack/charts/post-render.ts'
import { checkImageNames } from '../stack/images/check-image-names.ts'
import { type ImagePlan, planImages } from '../stack/images/images.ts'
import { type HostMount, addMounts, checkMounts, planMounts } from '../stack/images/mounts.ts'
import { controllerImage, ingressController, servedIngresses } from '../stack/ingress/controller.ts'
import { noGateways, servedGateways } from '../stack/ingress/gateways.ts'
import { ingressNotes, gatewayNotes } from '../stack/ingress/ingress-notes.ts'
import { checkSizes } from '../stack/manifests/check-sizes.ts'
import { checkDuplicates, findDoubleEntries } from '../stack/manifests/duplicates.ts'
import { renderKustomize } from '../stack/manifests/kustomize.ts'
import { type Manifest, loadManifests } from '../stack/manifests/manifests.ts'
import { loadSecrets } from '../stack/manifests/secrets.ts'
import { checkNames } from '../stack/services/check-services.ts'
import { serviceManifests } from '../stack/services/service-manifests.ts'
import type { DecryptOptions } from '../stack/tools/sops.ts'
import { randomId, slug } from '../support/identity.ts'
import { type FixedPort, planPorts } from './fixed-ports.ts'
import { type LeaseRequest, stackFolder } from './request.ts'

/** @throws ClusterTestError for every path that does not exist and every manifest that cannot be one */
export async function planSuite(request: LeaseRequest, runFolder: string, signal: AbortSignal): Promise<SuitePlan> {
  const { options, bridged, suite } = request
  const folder = stackFolder(request)
  const { namespace = options.cluster === 'shared' ? `${slug(suite, 40)}-${randomId(2)}` : 'default' } = request
  const seeds = await planSeeds(options, folder)
  const ownImages = await planImages(options.images, folder)
  const keys = keysOf(request, signal)
  const ofServices = Object.entries(options.services ?? {}).flatMap(([name, service]) => serviceManifests(name, service, namespace))
  const ofFiles = (
    await Promise.all([
      loadSecrets(options.secrets, folder, keys),
      loadManifests(options.manifests ?? [], folder, keys),
      renderKustomize(options.kustomize, folder, signal),
    ])
  ).flat()
  const ofGateways = options.ingress === false ? [] : servedGateways(ofFiles, { namespace, k3sArgs: options.k3sArgs }).missing
  const charts = await planCharts(options.charts, {
    ...keys,
    folder,
    runFolder,
    namespace,
    apiVersions: definedVersions([...ofFiles, ...ofGateways]),
  })
  const rendered = charts.flatMap(({ manifests }) => manifests)
  checkNames([...ofFiles, ...rendered], ofServices, namespace)
  const loaded = [...ofServices, ...ofFiles, ...namespacesOf(options.charts, ofFiles)]
  const declared = [...loaded, ...rendered]
  const ingress = planIngress(declared, declared, request, namespace)
  const everything = [...declared, ...ingress.controller]
  const images = ingress.withImage(ownImages)
  const mounts = await planMounts(options.mount, folder)
  checkMounts(mounts, everything)
  checkStandIns(everything, { bridged, namespace })
  const { manifests, notes } = planStandIns(addMounts(everything, mounts), { bridged, images, namespace })
  checkManifests(manifests, { images, namespace })
  const ports = planPorts(
    options.ports,
    everything.map(({ object }) => object),
    namespace,
  )
  return {
    request,
    namespace,
    seeds,
    images,
    mounts,
    charts,
    manifests,
    ports,
    notes: [...notesOf(everything), ...ingress.notes, ...notes],
  }
}

/**
 * What serves the Ingresses and Gateways of a suite, and what the user has to know of them.
 * @param all manifests of the suite so far
 * @param added those of them that are applied now: without one of those, what serves the others is there
 */
export function planIngress(all: readonly Manifest[], added: readonly Manifest[], { options }: LeaseRequest, namespace: string) {
  const { k3sArgs, cluster, ingress } = options
  const gateways = ingress === false ? noGateways : servedGateways(all, { namespace, k3sArgs })
  const ingresses = ingress === false ? [] : servedIngresses(all, { k3sArgs }).filter((each) => added.includes(each))
  const isNew = ingresses.length > 0 || gateways.served.some((each) => added.includes(each))
  const controller = isNew ? ingressController(all, gateways, { namespace, isShared: cluster === 'shared', k3sArgs }) : []
  return {
    controller,
    withImage: (images: ImagePlan): ImagePlan =>
      controller.length > 0 ? { ...images, pulls: [...images.pulls, controllerImage] } : images,
    notes: [
      ...ingressNotes(ingresses, all, namespace),
      ...gatewayNotes(
        gateways.served.filter((each) => added.includes(each)),
        all,
        namespace,
      ),
      ...(isNew ? gateways.notes : []),
    ],
  }
}

/** @throws ClusterTestError `ERR_MANIFEST_INVALID` for what can be told without a cluster */
export function checkManifests(manifests: readonly Manifest[], { images, namespace }: Pick<SuitePlan, 'images' | 'namespace'>): void {
  // Hooks of one name may be several to Helm.
  checkDuplicates(
    manifests.filter(({ object }) => !isHook(object)),
    namespace,
  )
  checkSizes(manifests)
  checkImageNames(manifests, images)
}

/** What the user has to know of manifests. */
export function notesOf(manifests: readonly Manifest[]): readonly string[] {
  return manifests.flatMap(({ object, origin, notes = [] }) => [
    ...notes,
    ...findDoubleEntries(object).map((entry) => `${origin}: ${describeObject(object)} has ${entry} twice; the later one counts`),
  ])
}

/** What a suite asks for, read and checked before anything is created. */
export interface SuitePlan {
  readonly request: LeaseRequest
  /** Where objects go that name none. */
  readonly namespace: string
  /** Those of charts too. */
  readonly manifests: readonly Manifest[]
  readonly charts: readonly ChartPlan[]
  readonly images: ImagePlan
  readonly seeds: readonly (readonly PlannedSeed[])[]
  readonly mounts: readonly HostMount[]
  /** Of this machine. */
  readonly ports: readonly FixedPort[]
  /** What the user has to know of it. */
  readonly notes: readonly string[]
}

/** Where sops finds its keys. */
export function keysOf(request: LeaseRequest, signal: AbortSignal): DecryptOptions {
  const ageKeyFile = request.options.sops?.ageKeyFile
  return { signal, ...(ageKeyFile === undefined ? {} : { ageKeyFile: resolve(stackFolder(request), ageKeyFile) }) }
}
