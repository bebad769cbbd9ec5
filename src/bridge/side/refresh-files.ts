import { setTimeout as sleep } from 'node:timers/promises'

import type { BridgeParts } from '../parts.ts'
import { type RunningContainer, readVersion } from './container-facts.ts'
import { type PutArchive, copyProjected } from './copy-files.ts'

/** Milliseconds between two looks: kubelet itself takes up to a minute to bring a change into a pod. */
const interval = 1_000

/**
 * Copies ConfigMaps, Secrets and tokens again whenever kubelet has changed them in the pod, or another pod has come in its
 * place, to where `put` brings a tar archive of them.
 */
export function keepFilesCurrent(parts: BridgeParts, source: RunningContainer, put: PutArchive): AsyncDisposable {
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
        await copyProjected(parts, container, put, stop.signal)
        seen = version
      } catch (error) {
        // Its end is no problem: another one comes in its place.
        if (await readVersion(docker, container)) throw error
      }
    }
  }
  const done = (source.mounts.some(({ isProjected }) => isProjected) ? follow() : Promise.resolve()).catch((error: unknown) => {
    if (!stop.signal.aborted) onProblem(error)
  })
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await done
    },
  }
}
