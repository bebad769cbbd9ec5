import { type WatchOptions, watch } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

import type { LeaseRequest } from '../../engine/request.ts'
import { createWatchedPaths } from '../../engine/watched-paths.ts'

export interface WatchStackOptions {
  /** Folders of builds that are none of its business: somebody else brings what is in them. */
  readonly except: readonly string[]
  /** Told of the files that have changed together; the next ones wait until it resolves. */
  readonly onChange: (files: readonly string[]) => Promise<void>
}

/** Milliseconds that files go on changing after the first: an editor and `git checkout` write several. */
const patience = 200

/** Recursive watches do not look at these at all (Node.js 24.14); older ones tell of them, and nobody asks. */
const ignore = ['**/node_modules', '**/node_modules/**', '**/.git', '**/.git/**']

/** Watches what a stack is made of: folders of its images, manifests, charts, secrets and seeds. */
export async function watchStack(request: LeaseRequest, { except, onChange }: WatchStackOptions): Promise<Disposable> {
  const watched = createWatchedPaths()
  const { paths } = watched.add(request)
  const changed = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let isBusy = false
  const flush = async () => {
    if (isBusy || changed.size === 0) return
    isBusy = true
    const files = [...changed]
    changed.clear()
    try {
      await onChange(files)
    } finally {
      isBusy = false
      void flush()
    }
  }
  const tell = (file: string) => {
    if (watched.testsOf(file).length === 0 || except.some((folder) => file.startsWith(`${folder}/`))) return
    changed.add(file)
    clearTimeout(timer)
    timer = setTimeout(() => void flush(), patience)
  }
  const watchers = await Promise.all(
    [...new Set(paths)].map(async (path) => {
      const isFolder = (await stat(path)).isDirectory()
      // A file that an editor replaces is another file: its folder tells.
      if (!isFolder) return watch(dirname(path), (_, name) => void (name === basename(path) && tell(path)))
      return watch(path, { recursive: true, ignore } as WatchOptions, (_, name) => void (name && tell(join(path, String(name)))))
    }),
  )
  return {
    [Symbol.dispose]() {
      clearTimeout(timer)
      for (const each of watchers) each.close()
    },
  }
}
