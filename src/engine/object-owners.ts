import { isLate, whileWaiting } from '../support/deadline.ts'
import { ClusterTestError } from '../support/errors.ts'

/** Which objects outside of the suites' namespaces belong to which suite of a shared cluster. */
export interface ObjectOwners {
  /**
   * Makes objects those of a suite, until `release`. Waits for one that an ended suite is still removing.
   * @throws ClusterTestError `ERR_CLUSTER_SHARED_CONFLICT` that names both suites, `ERR_CLUSTER_LEFTOVERS` when the time is up
   */
  claim(keys: readonly string[], owner: ObjectOwner, options: ClaimOptions): Promise<void>
  /** Frees each object that a suite has once `removed` resolves for it. */
  release(owner: ObjectOwner, removed: (key: string) => Promise<void>): void
}

export interface ClaimOptions {
  readonly signal: AbortSignal
  /** Told what is waited for. @default nobody */
  readonly onWait?: (text: string) => void
}

export interface ObjectOwner {
  readonly suite: string
  readonly file: string
}

export function createObjectOwners(): ObjectOwners {
  const owners = new Map<string, { readonly owner: ObjectOwner; removed?: Promise<void> }>()
  return {
    async claim(keys, owner, { signal, onWait }) {
      for (const key of keys) {
        for (let known = owners.get(key); known && known.owner !== owner; known = owners.get(key)) {
          if (!known.removed) throw conflict(key, known.owner, owner)
          const what = `${key}, which suite "${known.owner.suite}" (${known.owner.file}) has left and which is still being removed`
          onWait?.(`waits for ${what}`)
          await whileWaiting(known.removed, signal).catch((error: unknown) => {
            throw isLate(signal) ? stillHeld(owner, what, error) : error
          })
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

function stillHeld({ suite }: ObjectOwner, what: string, cause: unknown): ClusterTestError {
  return new ClusterTestError('ERR_CLUSTER_LEFTOVERS', `The time of suite "${suite}" was up while it waited for ${what}.`, { cause })
}

function conflict(key: string, first: ObjectOwner, second: ObjectOwner): ClusterTestError {
  return new ClusterTestError(
    'ERR_CLUSTER_SHARED_CONFLICT',
    `Suites "${first.suite}" (${first.file}) and "${second.suite}" (${second.file}) share a cluster, and both declare ${key}.`,
    { hint: `Rename it in one of them, omit its namespace if it names one, or set cluster: 'own'.` },
  )
}
