import { setTimeout as sleep } from 'node:timers/promises'

import type { Docker } from '../../docker/docker.ts'
import type { BridgeParts } from '../parts.ts'
import { type RunningContainer, readFiles, readVersion } from './container-facts.ts'

/** Milliseconds between two looks: kubelet itself takes up to a minute to bring a change into a pod. */
const interval = 1_000

/**
 * Copies ConfigMaps, Secrets and tokens again whenever kubelet has changed them in the pod, or another pod has come in its
 * place, to where `put` brings a tar archive of them.
 */
export function keepFilesCurrent(
  { docker, onProblem }: BridgeParts,
  source: RunningContainer,
  put: (archive: Buffer) => Promise<unknown>,
): AsyncDisposable {
  const stop = new AbortController()
  const projected = ({ mounts }: RunningContainer) => mounts.filter(({ isProjected }) => isProjected)
  const follow = async () => {
    let seen = await readVersion(docker, source)
    while (!stop.signal.aborted) {
      await sleep(interval, undefined, { signal: stop.signal })
      const container = source.latest()
      const version = container && (await readVersion(docker, container))
      if (!version || version === seen) continue
      try {
        for (const archive of await readFiles(docker, container, projected(container))) await put(archive)
        seen = version
      } catch (error) {
        // Its end is no problem: another one comes in its place.
        if (await readVersion(docker, container)) throw error
      }
    }
  }
  const done = (projected(source).length > 0 ? follow() : Promise.resolve()).catch((error: unknown) => {
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
