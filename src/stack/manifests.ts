import { glob, readFile, readdir, stat } from 'node:fs/promises'
import { isAbsolute, join, relative, resolve } from 'node:path'

import { type Document, LineCounter, type ScalarTag, parseAllDocuments } from 'yaml'

import type { KubeObject } from '../kube/types.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { formatList } from '../support/format.ts'

/** One object to apply, and where it stands. */
export interface Manifest {
  readonly object: KubeObject
  /** For messages: `"k8s/shop.yaml", document 2 (line 14)`. */
  readonly origin: string
}

/**
 * Reads files, folders, globs and objects into single objects: empty documents are left out, Lists taken apart.
 * @param folder what relative paths are relative to
 * @throws ClusterTestError `ERR_MANIFEST_NOT_FOUND` or `ERR_MANIFEST_INVALID` with file, document and line
 */
export async function loadManifests(
  sources: string | KubeObject | readonly (string | KubeObject)[],
  folder: string,
): Promise<readonly Manifest[]> {
  const list = (Array.isArray(sources) ? sources : [sources]) as readonly (string | KubeObject)[]
  const manifests: Manifest[] = []
  for (const [index, source] of list.entries()) {
    if (typeof source !== 'string') manifests.push(...expand(source, `object ${index + 1} of "manifests"`))
    else
      for (const file of await listFiles(source, folder))
        manifests.push(...parseManifests(await readFile(file, 'utf8'), relative(folder, file)))
  }
  return manifests
}

async function listFiles(source: string, folder: string): Promise<readonly string[]> {
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

/** Parses YAML as kubectl reads it: YAML 1.1 booleans and octals where they are not quoted, integers of any size. */
export function parseManifests(text: string, file: string): readonly Manifest[] {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    customTags: (tags) => [...kubernetesScalars, ...tags],
    intAsBigInt: true,
    merge: true,
    uniqueKeys: true,
  })
  if (!Array.isArray(documents)) return []
  return (documents as Document.Parsed[]).flatMap((document, index) => {
    const line = lines.linePos(document.contents?.range?.[0] ?? document.range[0]).line
    const at = (where: number) => `"${file}", document ${index + 1} (line ${where})`
    const [problem] = document.errors
    if (problem) {
      throw new ClusterTestError(
        'ERR_MANIFEST_INVALID',
        `Manifest ${at(problem.linePos?.[0].line ?? line)} is no valid YAML: ${problem.message.split('\n')[0]!.replace(/ at line.*$/, '')}.`,
        { cause: problem },
      )
    }
    return expand(toPlain(document.toJS()), at(line))
  })
}

function expand(value: unknown, origin: string): readonly Manifest[] {
  if (value === null || value === undefined) return []
  const object = value as Partial<KubeObject> & { items?: unknown }
  if (typeof value !== 'object' || Array.isArray(value))
    throw invalid(origin, `is ${Array.isArray(value) ? 'a list' : `the ${typeof value} ${JSON.stringify(value)}`}, not an object`)
  if (typeof object.kind === 'string' && object.kind.endsWith('List') && Array.isArray(object.items)) {
    return object.items.flatMap((item: unknown, index) => expand(item, `${origin}, item ${index + 1}`))
  }
  for (const key of ['apiVersion', 'kind'] as const) {
    if (typeof object[key] !== 'string') throw invalid(origin, `has no "${key}"`, `It has the keys ${formatList(Object.keys(object))}.`)
  }
  const metadata = object.metadata as { name?: unknown; generateName?: unknown } | undefined
  if (typeof metadata?.name !== 'string' && typeof metadata?.generateName !== 'string') {
    const kind =
      object.kind === 'Kustomization' ? 'A kustomization is not applied as it is: render it with "kubectl kustomize" first.' : undefined
    throw invalid(
      origin,
      `(${object.kind}) has no "metadata.name"${metadata?.name === undefined ? '' : ` that is a string: it is ${messageOf(metadata.name)}`}`,
      kind,
    )
  }
  return [{ object: object as KubeObject, origin }]
}

function invalid(origin: string, why: string, hint?: string): ClusterTestError {
  return new ClusterTestError('ERR_MANIFEST_INVALID', `Manifest ${origin} ${why}.`, { hint })
}

/** What kubectl's parser (sigs.k8s.io/yaml) takes from YAML 1.1 beyond the core schema of YAML 1.2. */
const kubernetesScalars: ScalarTag[] = [
  {
    tag: 'tag:yaml.org,2002:bool',
    default: true,
    test: /^(?:[yYnN]|yes|Yes|YES|on|On|ON|no|No|NO|off|Off|OFF)$/,
    resolve: (text) => /^(?:y|on)/i.test(text),
  },
  {
    tag: 'tag:yaml.org,2002:int',
    default: true,
    format: 'OCT',
    test: /^[-+]?0[0-7_]+$/,
    resolve: (text) => BigInt(Number.parseInt(text.replaceAll('_', ''), 8)),
  },
  {
    tag: 'tag:yaml.org,2002:int',
    default: true,
    test: /^[-+]?(?:[1-9][0-9]*_[0-9_]*|0b[01_]+)$/,
    resolve: (text) => BigInt(text.replaceAll(/[_+]/g, '').replace(/^-(0b.*)$/, '$1')) * (text.startsWith('-0b') ? -1n : 1n),
  },
]

/** Integers that a double holds become numbers; larger ones go to the server digit by digit. */
function toPlain(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : rawJson(value.toString())
  }
  if (Array.isArray(value)) return value.map(toPlain)
  if (value instanceof Uint8Array) return Buffer.from(value).toString()
  if (value instanceof Date) return value.toISOString()
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, toPlain(each)]))
  return value
}

/** JSON.rawJSON is in Node.js 24 and not yet in TypeScript's library. */
const rawJson = (text: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text)
