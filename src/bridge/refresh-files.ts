import { setTimeout as sleep } from 'node:timers/promises'

import type { Docker } from '../docker/docker.ts'
import type { BridgeParts } from './bridges.ts'
import { type RunningContainer, readFiles, readVersion } from './container-facts.ts'

/** Milliseconds between two looks: kubelet itself takes up to a minute to bring a change into a pod. */
const interval = 1_000

/** Copies ConfigMaps, Secrets and tokens again whenever kubelet has changed them in the pod, to where `put` brings a tar archive of them. */
export function keepFilesCurrent(
  { docker, onProblem }: BridgeParts,
  source: RunningContainer,
  put: (archive: Buffer) => Promise<unknown>,
): AsyncDisposable {
  const stop = new AbortController()
  const projected = source.mounts.filter(({ isProjected }) => isProjected)
  const follow = async () => {
    let version = await readVersion(docker, source, projected)
    while (!stop.signal.aborted) {
      await sleep(interval, undefined, { signal: stop.signal })
      const now = await readVersion(docker, source, projected)
      if (now === version) continue
      for (const archive of await readFiles(docker, source, projected)) await put(archive)
      version = now
    }
  }
  const done = (projected.length > 0 ? follow() : Promise.resolve()).catch((error: unknown) => {
    if (!stop.signal.aborted) onProblem(error)
  })
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await done
    },
  }
}

/** Into a container that runs, whatever is in it. */
export function putInto({ engine }: Docker, container: string): (archive: Buffer) => Promise<unknown> {
  return (archive) => engine.getContainer(container).putArchive(archive, { path: '/' })
}
