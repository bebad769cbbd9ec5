import type { Readable } from 'node:stream'

import type { Docker } from '../../docker/docker.ts'
import { shellScript } from '../../support/shell-script.ts'
import { type ContainerMount, type OfContainer, type RunningContainer, runOnNode, streamFromNode } from './container-facts.ts'

const folder = import.meta.dirname
const measure = shellScript<OfContainer | 'paths'>(folder, 'measure-mounts.sh')
const readOthers = shellScript<OfContainer | 'paths'>(folder, 'read-files.sh')
const readFollowed = shellScript<OfContainer | 'projected' | 'fixed'>(folder, 'read-followed.sh')
const readVersions = shellScript<OfContainer | 'paths'>(folder, 'read-version.sh')

/**
 * What is mounted into the container at these places, as a tar archive with the container's own paths. Folders that kubelet keeps
 * are as it keeps them, and all of one moment.
 * @param mounts those that are followed, or others
 */
export function streamFiles(docker: Docker, container: RunningContainer, mounts: readonly ContainerMount[], signal: AbortSignal): Readable {
  const ofContainer = { container: container.id, code_if_ended: 3 }
  const script = mounts.some(({ kind }) => kind === 'other')
    ? readOthers({ ...ofContainer, paths: pathsOf(mounts) })
    : readFollowed({ ...ofContainer, ...byKind(mounts) })
  return streamFromNode(docker, container, script, { timeout: streamTimeout, signal })
}

/** Those of which a copy can be brought up to date. */
export function followed(mounts: readonly ContainerMount[]): readonly ContainerMount[] {
  return mounts.filter(({ kind }) => kind !== 'other')
}

/** For scripts: the paths of those that are followed. */
export function byKind(mounts: readonly ContainerMount[]): { readonly projected: string; readonly fixed: string } {
  const ofKind = (wanted: ContainerMount['kind']) => pathsOf(mounts.filter(({ kind }) => kind === wanted))
  return { projected: ofKind('projected'), fixed: ofKind('fixed') }
}

/** Bytes of the files in each of these places. */
export async function measureMounts(
  docker: Docker,
  container: RunningContainer,
  mounts: readonly ContainerMount[],
): Promise<readonly number[]> {
  const script = measure({ container: container.id, code_if_ended: 3, paths: pathsOf(mounts) })
  return (await runOnNode(docker, container, script)).toString().trim().split('\n').map(Number)
}

/** Changes with every update that kubelet makes to the projected volumes. undefined when the container has ended. */
export async function readVersion(docker: Docker, container: RunningContainer): Promise<string | undefined> {
  const paths = byKind(container.mounts).projected
  return (await runOnNode(docker, container, readVersions({ container: container.id, code_if_ended: 0, paths }))).toString() || undefined
}

function pathsOf(mounts: readonly ContainerMount[]): string {
  return mounts.map(({ path }) => path).join('\n')
}

/** Milliseconds for the files of large volumes. */
const streamTimeout = 1_800_000
