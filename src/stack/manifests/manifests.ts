import { glob, readFile, readdir, stat } from 'node:fs/promises'
import { isAbsolute, join, relative, resolve } from 'node:path'

import type { KubeObject } from '../../kube/object.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { formatList } from '../../support/format.ts'
import { type DecryptOptions, decryptFile, isEncrypted } from '../tools/sops.ts'
import { parseYaml } from './parse-yaml.ts'
import { refuseUrl } from './refuse-url.ts'

/** One object to apply, and where it stands. */
export interface Manifest {
  readonly object: KubeObject
  /** For messages: `"k8s/shop.yaml", document 2 (line 14)`. */
  readonly origin: string
  /** Line of a value within, where it was read from a file. */
  readonly lineOf?: (path: ManifestPath) => number
  /** What the user has to know of it. */
  readonly notes?: readonly string[]
  /** The Helm release that it comes from, and the object as Helm renders it. */
  readonly chart?: { readonly release: string; readonly rendered: KubeObject }
  /** Whether it is the same in every suite that has it: where suites share a cluster, it is nobody's own, and stays. */
  readonly isCommon?: boolean
}

/** Keys and indices from an object's root to a value. */
export type ManifestPath = readonly (string | number)[]

/**
 * Reads files, folders, globs and objects into single objects: empty documents are left out, Lists taken apart, and files
 * that sops has encrypted are decrypted in memory.
 * @param folder what relative paths are relative to
 * @throws ClusterTestError `ERR_MANIFEST_NOT_FOUND` or `ERR_MANIFEST_INVALID` with file, document and line
 */
export async function loadManifests(
  sources: string | KubeObject | readonly (string | KubeObject)[],
  folder: string,
  keys: DecryptOptions = {},
): Promise<readonly Manifest[]> {
  const list = (Array.isArray(sources) ? sources : [sources]) as readonly (string | KubeObject)[]
  const manifests: Manifest[] = []
  for (const [index, source] of list.entries()) {
    if (typeof source !== 'string') manifests.push(...expand(source, `object ${index + 1} of "manifests"`))
    else for (const file of await listFiles(source, folder)) manifests.push(...(await readManifests(file, relative(folder, file), keys)))
  }
  return manifests
}

async function readManifests(file: string, shown: string, keys: DecryptOptions): Promise<readonly Manifest[]> {
  const text = decode(await readFile(file), shown)
  return parseManifests(isEncrypted(text) ? await decryptFile(file, text, shown, keys) : text, shown)
}

function decode(bytes: Uint8Array, shown: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    throw new ClusterTestError('ERR_MANIFEST_INVALID', `Manifest "${shown}" is no text in UTF-8.`, {
      cause: error,
      hint: 'Convert it, or take it out of the folder.',
    })
  }
}

async function listFiles(source: string, folder: string): Promise<readonly string[]> {
  refuseUrl(source, 'manifests')
  const path = resolve(folder, source)
  try {
    const isFolder = (await stat(path)).isDirectory()
    if (!isFolder) return [path]
    const files = (await readdir(path)).filter((name) => /\.(ya?ml|json)$/.test(name)).toSorted()
    if (files.length > 0) return files.map((name) => join(path, name))
    throw notFound(`Folder "${source}" has no .yaml, .yml or .json file`, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const matches = /[*?[{]/.test(source) ? (await Array.fromAsync(glob(source, { cwd: folder }))).toSorted() : []
  if (matches.length > 0) return matches.map((name) => (isAbsolute(name) ? name : join(folder, name)))
  throw notFound(`Manifest "${source}" does not exist`, path)
}

function notFound(what: string, path: string): ClusterTestError {
  return new ClusterTestError('ERR_MANIFEST_NOT_FOUND', `${what}: looked at "${path}".`, {
    hint: 'Paths in "manifests" are relative to the test file.',
  })
}

/** The objects of a YAML or JSON text. */
export function parseManifests(text: string, file: string): readonly Manifest[] {
  return parseYaml(text, `"${file}"`, 'Manifest').flatMap((document) => {
    const { value, origin, lineOf, doubleKeys } = document
    const notes = doubleKeys.map(({ key, line }) => `${origin} has the key "${key}" twice: that of line ${line} counts`)
    return expand(value, origin, lineOf).map((manifest, index) => (index === 0 && notes.length > 0 ? { ...manifest, notes } : manifest))
  })
}

function expand(value: unknown, origin: string, lineOf?: Manifest['lineOf']): readonly Manifest[] {
  if (value === null || value === undefined) return []
  const object = value as Partial<KubeObject> & { items?: unknown }
  if (typeof value !== 'object' || Array.isArray(value))
    throw invalid(origin, `is ${Array.isArray(value) ? 'a list' : `the ${typeof value} ${JSON.stringify(value)}`}, not an object`)
  if (typeof object.kind === 'string' && object.kind.endsWith('List') && Array.isArray(object.items)) {
    return object.items.flatMap((item: unknown, index) =>
      expand(item, `${origin}, item ${index + 1}`, lineOf && ((path) => lineOf(['items', index, ...path]))),
    )
  }
  if (typeof (object['sops'] as { mac?: unknown } | undefined)?.mac === 'string')
    throw invalid(origin, 'is encrypted by sops', 'Name its file in "secrets" or "manifests": only whole files can be decrypted.')
  for (const key of ['apiVersion', 'kind'] as const) {
    if (typeof object[key] !== 'string')
      throw invalid(origin, `has no "${key}"`, whatElse(object, origin) ?? `It has the keys ${formatList(Object.keys(object))}.`)
  }
  const metadata = object.metadata as { name?: unknown; generateName?: unknown } | undefined
  if (typeof metadata?.name !== 'string' && typeof metadata?.generateName !== 'string') {
    throw invalid(
      origin,
      `(${object.kind}) has no "metadata.name"${metadata?.name === undefined ? '' : ` that is a string: it is ${messageOf(metadata.name)}`}`,
      whatElse(object, origin),
    )
  }
  return [{ object: object as KubeObject, origin, ...(lineOf && { lineOf }) }]
}

/** What to do with a file that is for another program, which its name or its content tells. */
function whatElse({ apiVersion = '', kind }: Partial<KubeObject>, origin: string): string | undefined {
  const [, name = ''] = /([^/"]*)"/.exec(origin.slice(1)) ?? []
  if (/^kustomization(?:\.ya?ml)?$/i.test(name) || kind === 'Kustomization' || apiVersion.startsWith('kustomize.config.k8s.io/'))
    return 'A kustomization cannot be applied directly: name its folder in "kustomize".'
  if (/^(?:Chart|values.*)\.ya?ml$/.test(name)) return 'A chart cannot be applied directly: name its folder in "charts".'
  return undefined
}

function invalid(origin: string, why: string, hint?: string): ClusterTestError {
  return new ClusterTestError('ERR_MANIFEST_INVALID', `Manifest ${origin} ${why}.`, { hint })
}
