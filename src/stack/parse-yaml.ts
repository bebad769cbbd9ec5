import { type Document, LineCounter, type ScalarTag, parseAllDocuments } from 'yaml'

import { ClusterTestError } from '../support/errors.ts'

export interface YamlDocument {
  readonly value: unknown
  /** `"k8s/shop.yaml", document 2 (line 14)` */
  readonly origin: string
}

/**
 * Parses YAML as kubectl and Helm read it: YAML 1.1 booleans and octals where they are not quoted, integers of any size.
 * @param name of the text, for messages
 * @param what it is, for messages
 * @throws ClusterTestError `ERR_MANIFEST_INVALID` with document and line
 */
export function parseYaml(text: string, name: string, what: string): readonly YamlDocument[] {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    customTags: (tags) => [...kubernetesScalars, ...tags],
    intAsBigInt: true,
    merge: true,
    uniqueKeys: true,
  })
  if (!Array.isArray(documents)) return []
  return (documents as Document.Parsed[]).map((document, index) => {
    const line = lines.linePos(document.contents?.range?.[0] ?? document.range[0]).line
    const at = (where: number) => `${name}, document ${index + 1} (line ${where})`
    const [problem] = document.errors
    if (problem) {
      throw new ClusterTestError(
        'ERR_MANIFEST_INVALID',
        `${what} ${at(problem.linePos?.[0].line ?? line)} is no valid YAML: ${problem.message.split('\n')[0]!.replace(/ at line.*$/, '')}.`,
        { cause: problem },
      )
    }
    return { value: toPlain(document.toJS()), origin: at(line) }
  })
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
