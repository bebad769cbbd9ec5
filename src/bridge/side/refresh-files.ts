import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

import type { BridgeParts } from '../parts.ts'
import type { ContainerMount, RunningContainer } from './container-facts.ts'
import { followed, readVersion, streamFiles } from './container-files.ts'

/** Milliseconds between two looks: kubelet itself takes up to a minute to bring a change into a pod. */
const interval = 1_000

/** Brings a tar archive of these mounts to where a copy of them is. Resolves to whether it could: it is tried again. */
export type ReplaceFiles = (archive: Readable, mounts: readonly ContainerMount[]) => Promise<boolean>

/**
 * Copies ConfigMaps, Secrets and tokens again whenever kubelet has changed them in the pod, or another pod has come in its
 * place.
 */
export function keepFilesCurrent(parts: BridgeParts, source: RunningContainer, replace: ReplaceFiles): AsyncDisposable {
  const { docker, onProblem } = parts
  const stop = new AbortController()
  const follow = async () => {
    let seen = await readVersion(docker, source)
    while (!stop.signal.aborted) {
      await sleep(interval, undefined, { signal: stop.signal })
      const container = source.latest()
      const version = container && (await readVersion(docker, container))
      if (!version || version === seen) continue
      try {
        const mounts = followed(container.mounts)
        if (await replace(streamFiles(docker, container, mounts, stop.signal), mounts)) seen = version
      } catch (error) {
        // Its end is no problem: another one comes in its place.
        if (await readVersion(docker, container)) throw error
      }
    }
  }
  const done = (followed(source.mounts).length > 0 ? follow() : Promise.resolve()).catch((error: unknown) => {
    if (!stop.signal.aborted) onProblem(error)
  })
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await done
    },
  }
}
