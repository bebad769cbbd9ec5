import { existsSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

import { type SuiteClusterOptions, checkOptions } from '../../stack/options.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { formatList } from '../../support/format.ts'

/** A stack that a file exports. */
export interface DefinedStack {
  /** Of the export; of the file for the default one. */
  readonly name: string
  /** Absolute path. */
  readonly file: string
  readonly options: SuiteClusterOptions
}

/**
 * The stack of that name, or in that file: of this folder and those below it, or else of the whole repository; the only one when
 * nothing is said.
 * @throws ClusterTestError `ERR_STACK_NOT_FOUND` when it is none, or more than one
 */
export async function findStack(wanted: string | undefined, cwd: string): Promise<DefinedStack> {
  if (wanted !== undefined && /[/\\]|\.[mc]?[jt]s$/.test(wanted)) return choose(await loadStacks(resolve(cwd, wanted)), undefined)
  let all: readonly DefinedStack[] = []
  for (const folder of new Set([cwd, rootOf(cwd)])) {
    const loaded = await Promise.allSettled((await listFiles(folder)).map(loadStacks))
    all = loaded.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
    if (wanted === undefined ? all.length > 0 : all.some(({ name }) => name === wanted)) break
    // It may be the one that is meant.
    for (const each of loaded) if (each.status === 'rejected') throw each.reason
  }
  return choose(all, wanted)
}

/** The repository's, or the folder itself. */
export function rootOf(folder: string): string {
  for (let each = folder; ; each = dirname(each)) {
    if (existsSync(join(each, '.git'))) return each
    if (each === dirname(each)) return folder
  }
}

/**
 * What a file exports that is a stack.
 * @throws ClusterTestError `ERR_OPTIONS_INVALID` for a file that cannot be loaded, and for a stack that cannot be meant
 */
export async function loadStacks(file: string): Promise<readonly DefinedStack[]> {
  const exported = await import(pathToFileURL(file).href).then(
    (module: Record<string, unknown>) => module,
    (error: unknown) => {
      throw new ClusterTestError('ERR_OPTIONS_INVALID', `"${file}" cannot be loaded: ${messageOf(error)}`, { cause: error })
    },
  )
  return Object.entries(exported).flatMap(([key, options]) => {
    // `export default shop` beside `export const shop` is the same once more.
    const isAgain = key === 'default' && Object.entries(exported).some(([other, value]) => other !== 'default' && value === options)
    if (!isStack(options) || isAgain) return []
    const name = key === 'default' ? nameOfFile(file) : key
    try {
      checkOptions(options)
    } catch (error) {
      throw new ClusterTestError('ERR_OPTIONS_INVALID', `Stack "${name}" in "${file}": ${messageOf(error)}`, { cause: error })
    }
    return [{ name, file, options: { ...options, folder: resolve(dirname(file), options.folder ?? '.') } }]
  })
}

/** `shop.stack.ts`, or `stack.ts`. */
async function listFiles(folder: string): Promise<readonly string[]> {
  const isOther = (name: string) => /^(?:node_modules|dist|coverage|\..+)$/.test(basename(name))
  const files: string[] = []
  for await (const file of glob('**/{stack,*.stack}.{ts,mts,js,mjs}', { cwd: folder, exclude: isOther })) files.push(resolve(folder, file))
  return files.toSorted()
}

const keys = ['images', 'manifests', 'kustomize', 'charts', 'secrets', 'services'] as const

function isStack(value: unknown): value is SuiteClusterOptions {
  return typeof value === 'object' && value !== null && keys.some((key) => key in value)
}

function nameOfFile(file: string): string {
  const [name = ''] = basename(file).split('.')
  return name === 'stack' ? basename(dirname(file)) : name
}

function choose(all: readonly DefinedStack[], wanted: string | undefined): DefinedStack {
  const found = wanted === undefined ? all : all.filter(({ name }) => name === wanted)
  const [first] = found
  if (first && found.length === 1) return first
  if (all.length === 0)
    throw new ClusterTestError('ERR_STACK_NOT_FOUND', 'There is no stack here.', {
      hint: 'A stack is what a file *.stack.ts (or stack.ts) exports: export const shop = defineStack({ manifests: "./k8s" }).',
    })
  const names = formatList(all.map(({ name, file }) => `${name} in ${file}`))
  if (found.length === 0)
    throw new ClusterTestError('ERR_STACK_NOT_FOUND', `There is no stack "${wanted}".`, { hint: `There are ${names}.` })
  throw new ClusterTestError(
    'ERR_STACK_NOT_FOUND',
    wanted === undefined ? `There are ${found.length} stacks: name one.` : `There are ${found.length} stacks "${wanted}": name the file.`,
    { hint: `They are ${names}.` },
  )
}
