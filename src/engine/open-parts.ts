import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { findK3d } from '../cluster/k3d.ts'
import { pruneLeftovers, removeRun } from '../cluster/ownership/leftovers.ts'
import { type Lifeline, startLifeline } from '../cluster/ownership/lifeline.ts'
import { createOwner, folderPrefix } from '../cluster/ownership/owner.ts'
import { ownerEnv } from '../cluster/ownership/processes.ts'
import { connectDocker } from '../docker/docker.ts'
import { messageOf } from '../support/errors.ts'
import { formatList } from '../support/format.ts'
import type { Progress } from '../support/progress.ts'
import { createForecast } from './forecast.ts'
import type { EngineParts } from './parts.ts'
import type { Settings } from './settings.ts'

export interface OpenPartsOptions extends Settings {
  /** Absolute paths of what a run writes: they change with every run, and are no part of an image. */
  readonly outputs: readonly string[]
  readonly progress: Progress
}

/** Docker, k3d and an identity of this process. Disposal removes all that carries it. */
export interface OpenedParts extends AsyncDisposable {
  readonly parts: EngineParts
  readonly lifeline: Lifeline
}

/** Finds Docker and k3d, and removes what dead runs left. */
export async function openParts({ k3d: command, outputs, progress, ...settings }: OpenPartsOptions): Promise<OpenedParts> {
  const docker = await connectDocker()
  const owner = createOwner()
  await using cleanup = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), folderPrefix(owner.run)))
  cleanup.defer(() => rm(folder, { recursive: true, force: true }))
  const lifeline = cleanup.use(startLifeline(docker, owner.run))
  const trackChild = (event: 'started' | 'ended', pid: number) => lifeline.trackChild(event, pid)
  const k3d = await findK3d({ env: { ...docker.env, ...ownerEnv(owner) } }, command, trackChild)
  // A child that was killed may have had a request under way in the Docker engine.
  cleanup.defer(() => removeRun(docker, owner.run))
  const leftovers = await pruneLeftovers(docker).catch((error: unknown) => {
    progress({ kind: 'note', step: 'prune', text: messageOf(error) })
    return []
  })
  if (leftovers.length > 0) {
    const names = leftovers.flatMap(({ run, clusters }) => (clusters.length > 0 ? clusters : [run]))
    progress({ kind: 'note', step: 'prune', text: `removed what dead runs left behind: ${formatList(names)}` })
  }
  const owned = cleanup.move()
  return {
    parts: { docker, k3d, owner, folder, ...settings, forecast: createForecast(), outputs, trackChild },
    lifeline,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
