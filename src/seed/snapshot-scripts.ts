import type { Store } from './store.ts'

/** Scripts for the store's container. `path` is a file or a folder on the store's own volume, which a fork of the cluster takes along. */
export interface SnapshotScripts {
  /** Where the data lies, as shell text. */
  readonly folder: string
  readonly save: (path: string, store: Store) => string
  /** Whole or not at all, and without closing anybody's connection. */
  readonly restore: (path: string, store: Store) => string
}
