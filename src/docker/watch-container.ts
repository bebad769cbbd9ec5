import { setTimeout as sleep } from 'node:timers/promises'

import { messageOf } from '../support/errors.ts'
import { type ContainerState, readContainerState } from './container-log.ts'
import { type Docker, isNotFound } from './docker.ts'

/** Milliseconds: a container that is restarted runs again by then. */
const patience = 1_000

/** Calls back each time that a container has ended and does not run again a moment later, whoever ended it, until it is disposed. */
export function watchContainer({ engine }: Pick<Docker, 'engine'>, id: string, onEnded: (state: ContainerState) => void): AsyncDisposable {
  const stop = new AbortController()
  const { signal } = stop
  const container = engine.getContainer(id)
  const isGone = async () => {
    try {
      await container.wait({ abortSignal: signal })
      return false
    } catch (error) {
      if (isNotFound(error)) return true
      throw error
    }
  }
  const watch = async () => {
    for (let isTold = false; ;) {
      const gone = await isGone()
      await sleep(patience, undefined, { signal })
      const state = await readContainerState(container)
      if (state.isRunning) isTold = false
      else if (!isTold) {
        isTold = true
        onEnded(state)
      }
      if (gone) return
    }
  }
  const done = watch().catch((error: unknown) => {
    if (!signal.aborted) onEnded({ isRunning: false, state: `cannot be watched any more: ${messageOf(error)}`, tail: async () => '' })
  })
  return {
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('Nobody wants to know any more.'))
      await done
    },
  }
}
