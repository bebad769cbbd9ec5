import { chmod, mkdir, mkdtemp } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

import { hashPaths } from './hash.ts'
import { log, step } from './progress.ts'
import { run } from './run.ts'

/** What every part of the set-up needs: a cache outside the checkout, progress, commands, content hashes. */
export interface Kit {
  /** Folder for what is built, outside the checkout. */
  readonly cache: string
  /** A new empty folder for unfinished work, on the cache's file system. The next set-up removes what an interrupted one left. */
  scratch(name: string): Promise<string>
  log(line: string): void
  /** Runs `work`, says what it is and how long it took, and names it when it fails. */
  step<T>(name: string, work: () => Promise<T>): Promise<T>
  /** Resolves with standard output. Rejects with the last lines of output. */
  run(command: string, args: readonly string[], options?: KitRunOptions): Promise<string>
  /** Content hash of files and folders, 12 hexadecimal digits. Paths are relative to the checkout or absolute. */
  hash(paths: readonly string[]): Promise<string>
  imageExists(tag: string): Promise<boolean>
}

export interface KitRunOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  readonly input?: string
}

export const CHECKOUT = join(import.meta.dirname, '..', '..')

export function createKit(): Kit {
  const cacheHome = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  const cache = join(cacheHome, 'vitest-kubernetes')
  return {
    cache,
    scratch: async (name) => {
      await mkdir(scratchFolder(cache), { recursive: true })
      const folder = await mkdtemp(join(scratchFolder(cache), `${name}-`))
      await chmod(folder, 0o755)
      return folder
    },
    log,
    step,
    run,
    hash: (paths) => hashPaths(CHECKOUT, paths),
    imageExists,
  }
}

export function scratchFolder(cache: string): string {
  return join(cache, 'unfinished')
}

async function imageExists(tag: string): Promise<boolean> {
  return (await run('docker', ['images', '--quiet', tag])).trim() !== ''
}
