import { existsSync, readFileSync } from 'node:fs'
import { lstat, readFile, readdir } from 'node:fs/promises'
import { join, posix, sep } from 'node:path'

import dockerIgnore from '@balena/dockerignore'
import { pack } from 'tar-fs'
import type { Header } from 'tar-stream'

/** The Dockerfile travels under a name of its own, since its FROM lines may differ from the file's. */
export const dockerfileInContext = '.vitest-kubernetes.Dockerfile'

/**
 * The build context as `docker build` sends it: without what `.dockerignore` names, empty folders included, everything root's.
 * @param dockerfile path in the context; a file of its name with `.dockerignore` behind it goes before the general one
 * @param content of the Dockerfile to build
 * @param leftOut absolute paths of what is no part of it
 */
export async function packContext(
  context: string,
  dockerfile: string,
  content: string,
  leftOut?: readonly string[],
): Promise<NodeJS.ReadableStream> {
  const rules = (await readIfThere(join(context, `${dockerfile}.dockerignore`))) ?? (await readIfThere(join(context, '.dockerignore')))
  const entries = await listContext(context, rules ?? '', leftOut)
  const { plain, special } = await sortOut(
    context,
    entries.filter((path) => path !== '.dockerignore'),
  )
  return pack(context, {
    entries: plain,
    // tar-fs would add all that a folder has.
    ignore: () => true,
    map: (header) => Object.assign(header, { uid: 0, gid: 0 }),
    finalize: false,
    finish: (tar) => {
      // The engine takes the files out again that its rules name of these two, so that no COPY gets what is ours.
      const own = rules === undefined || !entries.includes('.dockerignore') ? ['.dockerignore', dockerfileInContext] : [dockerfileInContext]
      for (const header of special) tar.entry(header)
      tar.entry({ name: '.dockerignore' }, [rules ?? '', ...own, ''].join('\n'))
      tar.entry({ name: dockerfileInContext }, content)
      tar.finalize()
    },
  }) as unknown as NodeJS.ReadableStream
}

type SpecialHeader = Pick<Header, 'name'> & Partial<Header>

interface SortedOut {
  readonly plain: string[]
  readonly special: readonly SpecialHeader[]
}

/** What tar-fs does not write as the Docker CLI does: files that are one and the same stay so, named pipes come along, sockets do not. */
async function sortOut(context: string, paths: readonly string[]): Promise<SortedOut> {
  const plain: string[] = []
  const special: SpecialHeader[] = []
  const first = new Map<string, string>()
  for (const path of paths) {
    const stats = await lstat(join(context, path))
    const identity = `${stats.dev} ${stats.ino}`
    const linkname = stats.isFile() && stats.nlink > 1 ? first.get(identity) : undefined
    const { mode, mtime } = stats
    if (stats.isFIFO()) special.push({ name: path, type: 'fifo', mode, mtime })
    else if (linkname !== undefined) special.push({ name: path, type: 'link', linkname, mode, mtime })
    else plain.push(path)
    if (stats.isFile() && stats.nlink > 1 && linkname === undefined) first.set(identity, path)
  }
  return { plain, special }
}

/** Folders and files of a build context, in the order of their names, without what the rules of `.dockerignore` leave out. */
export async function listContext(context: string, rules: string, leftOut: readonly string[] = []): Promise<string[]> {
  const ignored = ignoring(rules)
  // A folder that a later "!" rule may look into has to be walked.
  const mayReinclude = /^\s*!/m.test(rules)
  const paths: string[] = []
  const walk = async (folder: string): Promise<void> => {
    const entries = await readdir(join(context, folder), { withFileTypes: true })
    for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(folder, entry.name)
      if (leftOut.includes(join(context, path))) continue
      const isSkipped = ignored.ignores(path)
      if (!isSkipped) paths.push(path.replaceAll(sep, posix.sep))
      if (entry.isDirectory() && (!isSkipped || mayReinclude)) await walk(path)
    }
  }
  await walk('')
  return paths
}

/**
 * Whether a build does not see a file: the Dockerfile and the rules themselves always count.
 * @param path in the context
 */
export function isIgnored(path: string, context: string, dockerfile: string): boolean {
  const files = [`${dockerfile}.dockerignore`, '.dockerignore']
  if ([dockerfile, ...files].includes(path)) return false
  const file = files.map((name) => join(context, name)).find((name) => existsSync(name))
  return file !== undefined && ignoring(readFileSync(file, 'utf8')).ignores(path)
}

function ignoring(rules: string) {
  return dockerIgnore.default({ ignorecase: false }).add(rules.replace(/^\uFEFF/, ''))
}

async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
}
