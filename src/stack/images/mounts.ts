import { createHash } from 'node:crypto'
import { resolve } from 'node:path'

import { describeObject, isWorkload } from '../../kube/kinds.ts'
import { podTemplate } from '../../kube/pod-template.ts'
import { parseWorkload } from '../../kube/workload.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { folderExists } from '../../support/folder-exists.ts'
import { formatList } from '../../support/format.ts'
import type { Manifest } from '../manifests/manifests.ts'
import { mapPodSpec } from '../manifests/pod-spec.ts'
import type { MountTarget } from '../mount-options.ts'
import type { StackOptions } from '../options.ts'

/** A folder of this machine in the containers of a workload. */
export interface HostMount extends MountTarget {
  readonly workload: string
  /** Absolute path on this machine. */
  readonly source: string
  /** Where the nodes have it. */
  readonly nodePath: string
}

/**
 * Reads the option `mount`.
 * @throws ClusterTestError `ERR_MOUNT_NOT_FOUND` for a folder that does not exist
 */
export async function planMounts(mount: StackOptions['mount'] = {}, folder: string): Promise<readonly HostMount[]> {
  const mounts = resolveMounts(mount, folder)
  for (const { workload, source } of mounts) {
    if (!(await folderExists(source)))
      throw new ClusterTestError(
        'ERR_MOUNT_NOT_FOUND',
        `"${source}", which is to be mounted into ${workload}, does not exist or is not a folder.`,
        {
          hint: 'Paths in "mount" are relative to the test file.',
        },
      )
  }
  return mounts
}

export function resolveMounts(mount: StackOptions['mount'] = {}, folder: string): readonly HostMount[] {
  return Object.entries(mount).flatMap(([workload, folders]) =>
    Object.entries(folders).map(([path, target]) => {
      const source = resolve(folder, path)
      const nodePath = `/vitest-kubernetes/${createHash('sha256').update(source).digest('hex').slice(0, 12)}`
      return { workload, source, nodePath, ...(typeof target === 'string' ? { path: target } : target) }
    }),
  )
}

/** For k3d: `/host/path:/node/path`, each folder once. */
export function nodeVolumes(mounts: readonly HostMount[]): readonly string[] {
  return [...new Set(mounts.map(({ source, nodePath }) => `${source}:${nodePath}`))]
}

/** @throws ClusterTestError `ERR_OPTIONS_INVALID` for a workload or container that the manifests do not have */
export function checkMounts(mounts: readonly HostMount[], manifests: readonly Manifest[]): void {
  for (const mount of mounts) {
    const found = manifests.filter((manifest) => isOf(mount, manifest))
    if (found.length === 0)
      throw new ClusterTestError(
        'ERR_OPTIONS_INVALID',
        `Option \`mount["${mount.workload}"]\` names a workload that is not in the manifests.`,
        {
          hint: `They have ${formatList(manifests.filter(({ object }) => isWorkload(object)).map(({ object }) => describeObject(object)))}.`,
        },
      )
    const names = found.flatMap(({ object }) => containersOf(object))
    if (mount.container !== undefined && !names.includes(mount.container))
      throw new ClusterTestError(
        'ERR_OPTIONS_INVALID',
        `Workload "${mount.workload}" has no container "${mount.container}" to mount into.`,
        {
          hint: `It has ${formatList(names)}.`,
        },
      )
  }
}

/** Manifests whose workloads have the folders: a volume of the node's path, mounted into their containers. */
export function addMounts(manifests: readonly Manifest[], mounts: readonly HostMount[]): readonly Manifest[] {
  return manifests.map((manifest) => {
    const own = mounts.filter((mount) => isOf(mount, manifest))
    return own.length === 0 ? manifest : { ...manifest, object: mapPodSpec(manifest.object, (spec) => addToPod(spec, own)) }
  })
}

function addToPod(spec: Record<string, unknown>, mounts: readonly HostMount[]): Record<string, unknown> {
  const volumeName = ({ nodePath }: HostMount) => `host-${nodePath.split('/').at(-1)}`
  const volumes = new Map(
    mounts.map((mount) => [volumeName(mount), { name: volumeName(mount), hostPath: { path: mount.nodePath, type: 'Directory' } }]),
  )
  const withMounts = (container: Named) => {
    const own = mounts.filter((mount) => mount.container === undefined || mount.container === container.name)
    const added = own.map((mount) => ({ name: volumeName(mount), mountPath: mount.path, ...(mount.readOnly ? { readOnly: true } : {}) }))
    return { ...container, volumeMounts: [...(container.volumeMounts ?? []), ...added] }
  }
  const containers = (spec['containers'] as readonly Named[] | undefined) ?? []
  return {
    ...spec,
    containers: containers.map(withMounts),
    volumes: [...((spec['volumes'] as readonly object[] | undefined) ?? []), ...volumes.values()],
  }
}

interface Named {
  readonly name: string
  readonly volumeMounts?: readonly object[]
}

function isOf({ workload }: HostMount, { object }: Manifest): boolean {
  const { kind, name } = parseWorkload(workload)
  return object.kind === kind && object.metadata.name === name
}

function containersOf(object: Manifest['object']): readonly string[] {
  const { containers = [] } = (podTemplate(object)?.spec ?? {}) as { readonly containers?: readonly Named[] }
  return containers.map(({ name }) => name)
}
