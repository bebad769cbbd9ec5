import { setTimeout as sleep } from 'node:timers/promises'

import { KubeStatusError } from '../../kube/client.ts'
import { listPath } from '../../kube/kinds.ts'
import type { EndpointSlice, Service } from '../../kube/types.ts'
import { watchList } from '../../kube/watch-list.ts'
import { ClusterTestError } from '../../support/errors.ts'
import type { Cluster } from '../cluster.ts'
import { type ServiceTarget, isUsers, targetsOf } from './service-targets.ts'

export interface FollowOptions {
  readonly isOwn: (service: Service) => boolean
  /** Where Services led when this began. */
  readonly seen: readonly ServiceTarget[]
  /** Brings the addresses up to date, and resolves to where Services lead now. */
  readonly bring: (signal: AbortSignal) => Promise<readonly ServiceTarget[]>
  readonly onProblem: (error: unknown) => void
}

/** Calls `bring` whenever Services come, change or go, or the pods behind those without an address of their own do. */
export function followTargets({ kube }: Pick<Cluster, 'kube'>, { isOwn, seen, bring, onProblem }: FollowOptions): AsyncDisposable {
  const stop = new AbortController()
  const { signal } = stop
  let known = JSON.stringify(seen)
  let changed = Promise.withResolvers<void>()
  const onChange = () => changed.resolve()
  const follow = async () => {
    const [services, slices] = await Promise.all([
      watchList<Service>(kube, listPath('Service', kube.scope), { onChange, signal }),
      watchList<EndpointSlice>(kube, listPath('EndpointSlice', kube.scope), { onChange, signal }),
    ])
    signal.addEventListener('abort', onChange, { once: true })
    for (;;) {
      await changed.promise
      changed = Promise.withResolvers<void>()
      signal.throwIfAborted()
      const now = JSON.stringify(
        targetsOf(
          services.items.filter((service) => isUsers(service) && isOwn(service)),
          slices.items,
        ),
      )
      if (now === known) continue
      // What is brought may be newer than what the watches have told so far.
      const brought = await untilAnswered(() => bring(signal), signal).catch((error: unknown) => {
        signal.throwIfAborted()
        onProblem(error)
      })
      if (brought) known = JSON.stringify(brought)
    }
  }
  const done = follow().catch((error: unknown) => {
    if (!signal.aborted) onProblem(error)
  })
  return {
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('The suite has ended.'))
      await done
    },
  }
}

/** The API server may be away for a moment. */
async function untilAnswered<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      signal.throwIfAborted()
      const isAway =
        error instanceof KubeStatusError
          ? error.statusCode >= 500
          : error instanceof ClusterTestError && error.code === 'ERR_KUBE_UNREACHABLE'
      if (!isAway) throw error
      await sleep(200, undefined, { signal })
    }
  }
}
