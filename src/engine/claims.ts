import { ClusterTestError } from '../support/errors.ts'

/** Which objects outside of the suites' namespaces belong to which suite of a shared cluster. */
export interface Claims {
  /**
   * Makes objects those of a suite, until `release`. Waits for one that an ended suite is still removing.
   * @throws ClusterTestError `ERR_CLUSTER_SHARED_CONFLICT` that names both suites
   */
  claim(keys: readonly string[], owner: ClaimOwner, signal: AbortSignal): Promise<void>
  /** Frees each object that a suite has once `removed` resolves for it. */
  release(owner: ClaimOwner, removed: (key: string) => Promise<void>): void
}

export interface ClaimOwner {
  readonly suite: string
  readonly file: string
}

export function createClaims(): Claims {
  const owners = new Map<string, { readonly owner: ClaimOwner; removed?: Promise<void> }>()
  return {
    async claim(keys, owner, signal) {
      for (const key of keys) {
        for (let known = owners.get(key); known && known.owner !== owner; known = owners.get(key)) {
          if (!known.removed) throw conflict(key, known.owner, owner)
          await known.removed
          signal.throwIfAborted()
        }
        owners.set(key, { owner })
      }
    },
    release(owner, removed) {
      for (const [key, claim] of owners) {
        if (claim.owner !== owner) continue
        claim.removed = removed(key)
        claim.removed.finally(() => owners.delete(key)).catch(() => undefined)
      }
    },
  }
}

function conflict(key: string, first: ClaimOwner, second: ClaimOwner): ClusterTestError {
  return new ClusterTestError(
    'ERR_CLUSTER_SHARED_CONFLICT',
    `Suites "${first.suite}" (${first.file}) and "${second.suite}" (${second.file}) share a cluster, and both have ${key}.`,
    { hint: `Give it another name in one of them, leave out its namespace if it names one, or set cluster: 'own'.` },
  )
}
