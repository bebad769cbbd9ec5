import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { cacheFolder } from '../../support/cache-folder.ts'

/** An empty file for each template, as old as its last use: labels of a volume never change. */
function fileOf(key: string): string {
  return cacheFolder('templates', key)
}

export async function noteUse(key: string): Promise<void> {
  const file = fileOf(key)
  try {
    await mkdir(join(file, '..'), { recursive: true })
    await writeFile(file, '')
  } catch {
    // A home that cannot be written: the template is as old as its creation then.
  }
}

/** Milliseconds since 1970; undefined for one that this machine's user has not used. */
export async function lastUseOf(key: string): Promise<number | undefined> {
  try {
    return (await stat(fileOf(key))).mtimeMs
  } catch {
    return undefined
  }
}

export async function forgetUse(key: string): Promise<void> {
  await rm(fileOf(key), { force: true }).catch(() => undefined)
}
