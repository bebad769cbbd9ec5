import { createHash, type Hash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'

/** Hash of names, contents and executable bits of files and folders: equal wherever the checkout lies. */
export async function hashPaths(base: string, paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const path of paths) await addPath(hash, resolve(base, path), path)
  return hash.digest('hex').slice(0, 12)
}

async function addPath(hash: Hash, path: string, name: string): Promise<void> {
  const entry = await stat(path)
  if (entry.isDirectory()) {
    for (const child of (await readdir(path)).toSorted()) await addPath(hash, join(path, child), `${name}/${child}`)
    return
  }
  const content = await readFile(path)
  hash.update(`${name}\0${(entry.mode & 0o111) === 0 ? '-' : 'x'}\0${content.length}\0`).update(content)
}
