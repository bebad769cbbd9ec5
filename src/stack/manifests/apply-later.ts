import { setTimeout as sleep } from 'node:timers/promises'

import type { KubeClient } from '../../kube/client.ts'
import type { KubeObject } from '../../kube/object.ts'
import { applyOne } from './apply.ts'
import { type Refused, refusedForNow } from './refused.ts'

/** Objects that the API server is asked to take again and again. */
export interface LaterObjects {
  /** What it has not taken yet, with what it said last. */
  readonly refused: readonly Refused[]
  /** Resolves once it has taken all of them. */
  run(signal: AbortSignal): Promise<void>
}

/** Milliseconds between two attempts. */
const interval = 500

/** @throws ClusterTestError what the server says that nothing will cure */
export function applyLater(
  kube: KubeClient,
  refused: readonly Refused[],
  namespace: string,
  onApplied: (object: KubeObject) => void,
): LaterObjects {
  let left = refused
  return {
    get refused() {
      return left
    },
    async run(signal) {
      while (left.length > 0) {
        await sleep(interval, undefined, { signal })
        const tried = await Promise.all(left.map((each) => attempt(each, signal)))
        left = tried.filter((each) => each !== undefined)
      }
    },
  }

  async function attempt({ manifest }: Refused, signal: AbortSignal): Promise<Refused | undefined> {
    try {
      onApplied(await applyOne(kube, manifest, namespace, signal))
      return undefined
    } catch (error) {
      const again = refusedForNow(manifest, error)
      if (!again) throw error
      return again
    }
  }
}
