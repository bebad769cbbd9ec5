import { type Document, LineCounter, type ScalarTag, parseAllDocuments } from 'yaml'

import { ClusterTestError } from '../../support/errors.ts'

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

/** What kubectl's parser (sigs.k8s.io/yaml) takes from YAML 1.1 and from Go beyond the core schema of YAML 1.2. */
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
    test: /^(?:[-+]_*)?(?:0_*(?:[xX]_*[\da-fA-F][\da-fA-F_]*|[oO]_*[0-7][0-7_]*|[bB]_*[01][01_]*|[0-7_]*)|[1-9][\d_]*)$/,
    resolve: toInteger,
  },
  {
    tag: 'tag:yaml.org,2002:float',
    default: true,
    test: /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/,
    resolve: (text, onError) => onError(`${text} is no number that JSON can hold`),
  },
  {
    tag: 'tag:yaml.org,2002:float',
    default: true,
    test: /^[-+.\d][-+.\d_eE]*$/,
    resolve: toFloat,
  },
]

/** As Go's `ParseInt` with base 0. What has more than 64 bits is decimal or text. */
function toInteger(text: string): unknown {
  const [, sign, digits] = /^([-+]?)(.*)$/.exec(text.replaceAll('_', '')) as unknown as [string, string, string]
  const signed = (each: string) => BigInt(each) * (sign === '-' ? -1n : 1n)
  const value = signed(digits.replace(/^0[oO]?(?=[0-7])/, '0o'))
  if (value >= -(2n ** 63n) && value < 2n ** 64n) return value
  return /^\d+$/.test(digits) && Number.isFinite(Number(digits)) ? signed(digits) : text
}

/** A hash such as `6135e899`, which no double holds, is text. */
function toFloat(text: string): unknown {
  const plain = text.replaceAll('_', '')
  const isFloat = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/.test(plain) && Number.isFinite(Number(plain))
  return isFloat ? Number(plain) : text
}

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
