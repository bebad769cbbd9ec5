import { readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Owner, folderPrefix, isOwnerDead, ownerLabel } from './owner.ts'

const ownerFile = 'owner'

/** Says whose the private folder of a run is, which has nothing in Docker that says so. */
export async function claimFolder(folder: string, { labels }: Owner): Promise<void> {
  await writeFile(join(folder, ownerFile), labels[ownerLabel]!, { mode: 0o600 })
}

/** Removes the private folders of a run. */
export async function removeFolders(run: string): Promise<void> {
  const folders = (await readdir(tmpdir())).filter((name) => name.startsWith(folderPrefix(run)))
  for (const folder of folders) await rm(join(tmpdir(), folder), { recursive: true, force: true })
}

/** And those of dead runs that have said whose they are. */
export async function removeDeadFolders(): Promise<void> {
  const prefix = folderPrefix('')
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(prefix.slice(0, -1))) continue
    const owner = await readFile(join(tmpdir(), name, ownerFile), 'utf8').catch(() => undefined)
    if (owner !== undefined && isOwnerDead(owner)) await rm(join(tmpdir(), name), { recursive: true, force: true })
  }
}
