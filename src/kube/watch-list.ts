import { setTimeout as sleep } from 'node:timers/promises'

import { Watch } from './client-node.ts'
import { type KubeClient, KubeStatusError } from './client.ts'
import type { KubeList } from './types.ts'

interface Watched {
  readonly metadata?: { readonly uid?: string; readonly name?: string; readonly resourceVersion?: string }
}

/** A list of objects that follows the cluster until it is disposed. */
export interface WatchedList<T> extends Disposable {
  readonly items: readonly T[]
  /** The last state of what was deleted since. */
  readonly deleted: readonly T[]
}

/**
 * Lists the objects at a path and keeps the list current by a watch: it goes on from the last version when the
 * connection ends, lists again when that version is too old (410), and never lives longer than the signal.
 */
export async function watchList<T extends Watched>(
  client: KubeClient,
  path: string,
  options: { onChange: () => void; signal: AbortSignal },
): Promise<WatchedList<T>> {
  const stop = new AbortController()
  const signal = AbortSignal.any([options.signal, stop.signal])
  let objects = new Map<string, T>()
  const deleted = new Map<string, T>()
  let version = ''

  const list = async () => {
    const { items, metadata } = await client.request<KubeList<T>>('GET', path, { signal })
    const found = new Map(items.map((item) => [keyOf(item), item]))
    for (const [key, object] of objects) if (!found.has(key)) deleted.set(key, object)
    objects = found
    version = metadata.resourceVersion ?? ''
    options.onChange()
  }

  const follow = async () => {
    while (!signal.aborted) {
      const ended = await watchOnce(client, path, version, signal, (type, object) => {
        version = object.metadata?.resourceVersion ?? version
        if (type === 'BOOKMARK') return
        const key = keyOf(object)
        if (type === 'DELETED') {
          objects.delete(key)
          deleted.set(key, object as T)
        } else objects.set(key, object as T)
        options.onChange()
      })
      if (signal.aborted) return
      try {
        if (ended === 'gone') await list()
        else if (ended === 'failed') await sleep(200, undefined, { signal })
      } catch (error) {
        if (signal.aborted) return
        // The server restarts or is cut off: the deadline of whoever waits ends this, not the first failure.
        if (error instanceof KubeStatusError && error.statusCode < 500) throw error
        await sleep(200, undefined, { signal }).catch(() => undefined)
      }
    }
  }

  await list()
  follow().catch((error: unknown) => stop.abort(error))
  return {
    get items() {
      if (stop.signal.aborted) throw stop.signal.reason
      return [...objects.values()]
    },
    get deleted() {
      return [...deleted.values()]
    },
    [Symbol.dispose]: () => stop.abort(new Error('disposed')),
  }
}

type WatchEnd = 'closed' | 'failed' | 'gone'

/** client-node ends a watch that is silent for 30 s; the next one goes on from the last version. */
async function watchOnce(
  client: KubeClient,
  path: string,
  resourceVersion: string,
  signal: AbortSignal,
  onEvent: (type: string, object: Watched) => void,
): Promise<WatchEnd> {
  const watch = new Watch(client.config)
  const { promise, resolve } = Promise.withResolvers<WatchEnd>()
  let gone = false
  const request = watch.watch(
    path,
    { resourceVersion, allowWatchBookmarks: true },
    (type: string, object: Watched & { code?: number }) => {
      if (type === 'ERROR') gone ||= object.code === 410
      else onEvent(type, object)
    },
    (error: unknown) => {
      const expired = (error as { statusCode?: number } | null)?.statusCode === 410
      resolve(gone || expired ? 'gone' : error ? 'failed' : 'closed')
    },
  )
  const abort = () => void request.then((controller) => controller.abort())
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await promise
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function keyOf(object: Watched): string {
  return object.metadata?.uid ?? object.metadata?.name ?? ''
}
