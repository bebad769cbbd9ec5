import { lstat, mkdir, readdir, readlink, rename, rm, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'

/**
 * Replaces the copy of a volume that kubelet keeps up to date, in the order in which kubelet does it: what is new, the switch,
 * what is no longer.
 * @param source in the same file system, and empty of what is needed afterwards
 */
export async function replaceVolume(source: string, target: string): Promise<void> {
  await mkdir(target, { recursive: true, mode: 0o700 })
  const version = basename(await readlink(join(source, '..data')))
  // Another volume has changed.
  if ((await readdir(target)).includes(version)) return
  await rename(join(source, version), join(target, version))
  await rm(join(target, '..data_tmp'), { force: true })
  await symlink(version, join(target, '..data_tmp'))
  await rename(join(target, '..data_tmp'), join(target, '..data'))
  const isKey = async (folder: string, name: string) => !name.startsWith('..') && (await lstat(join(folder, name))).isSymbolicLink()
  const keysOf = async (folder: string) => {
    const names = await readdir(folder)
    const areKeys = await Promise.all(names.map((name) => isKey(folder, name)))
    return names.filter((_, index) => areKeys[index])
  }
  const wanted = await keysOf(source)
  for (const name of wanted) await rename(join(source, name), join(target, name))
  for (const name of await keysOf(target)) if (!wanted.includes(name)) await rm(join(target, name))
  for (const name of await readdir(target))
    if (name.startsWith('..') && name !== '..data' && name !== version) await rm(join(target, name), { recursive: true })
}
