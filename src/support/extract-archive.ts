import { mkdir, mkdtemp, readdir, realpath, rename, rm } from 'node:fs/promises'
import { join, posix } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import { extract } from 'tar-fs'

import { replaceVolume } from './replace-volume.ts'

/**
 * Extracts a tar archive, whoever made it: nothing is written outside the folder, and no link leads out of it. Links are
 * read as if the folder were the root. All becomes the user's own and readable; each file is replaced at once.
 * @param volumes paths in the archive of folders as kubelet keeps them, which are replaced as a whole
 */
export async function extractArchive(archive: Readable, folder: string, volumes: readonly string[] = []): Promise<void> {
  const staging = await realpath(await mkdtemp(`${folder}.`))
  try {
    // tar-fs takes no link that leads to a link, as libraries have them; keepInside is what makes links harmless.
    const links = { map: keepInside, validateSymlinks: false }
    const modes = { chown: false, dmode: 0o700, fmode: 0o400 }
    await pipeline(archive, extract(staging, { ...links, ...modes, strict: false }))
    // Those below others first: each goes as a whole.
    for (const each of volumes.toSorted((a, b) => b.length - a.length)) {
      await replaceVolume(join(staging, each), join(folder, each))
      await rm(join(staging, each), { recursive: true })
    }
    await moveInto(staging, folder)
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

/** A link then consists of steps up that its own folder has above it, and of names below the root, which are such links at most. */
function keepInside<Header extends { name: string; type?: string | null | undefined; linkname?: string | null | undefined }>(
  header: Header,
): Header {
  if (header.type !== 'symlink' || !header.linkname) return header
  const folder = posix.dirname(posix.join('/', header.name))
  return { ...header, linkname: posix.relative(folder, posix.resolve(folder, header.linkname)) || '.' }
}

async function moveInto(source: string, target: string): Promise<void> {
  await mkdir(target, { recursive: true, mode: 0o700 })
  for (const entry of await readdir(source, { withFileTypes: true })) {
    const [from, to] = [join(source, entry.name), join(target, entry.name)]
    await (entry.isDirectory() ? moveInto(from, to) : rename(from, to))
  }
}
