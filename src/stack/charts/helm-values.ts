import { readFile } from 'node:fs/promises'
import { relative, resolve } from 'node:path'

import { ClusterTestError } from '../../support/errors.ts'
import { parseYaml } from '../manifests/parse-yaml.ts'
import { refuseUrl } from '../manifests/refuse-url.ts'
import type { ChartOptions } from '../tool-options.ts'
import { type DecryptOptions, decryptFile, isEncrypted } from '../tools/sops.ts'

type Values = Readonly<Record<string, unknown>>

/** The values of a release. */
export interface ChartValues {
  /** JSON, for Helm's standard input. */
  readonly json: string
  /** What encrypted files hold: not for messages. */
  readonly secrets: readonly string[]
}

/**
 * Files and values merged as Helm merges its values files. Helm reads the result as it reads a file, so that every type is kept.
 * @throws ClusterTestError `ERR_HELM_VALUES` for a file that is not there or holds no values, `ERR_SOPS_…`
 */
export async function readValues(
  { values = {}, valuesFiles = [] }: ChartOptions,
  folder: string,
  keys: DecryptOptions,
): Promise<ChartValues> {
  const files = await Promise.all([valuesFiles].flat().map((file) => readFileOfValues(file, folder, keys)))
  const merged = [...files.map((file) => file.values), values].reduce(mergeValues, {})
  return { json: JSON.stringify(merged), secrets: files.filter(({ isSecret }) => isSecret).flatMap((file) => textsIn(file.values)) }
}

/** As Helm's MergeMaps (pkg/chart/common/util): maps are merged, anything else is replaced; null is a value. */
export function mergeValues(under: Values, over: Values): Values {
  const merged: Record<string, unknown> = { ...under }
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue
    const below = merged[key]
    merged[key] = isMap(value) && isMap(below) ? mergeValues(below, value) : value
  }
  return merged
}

async function readFileOfValues(source: string, folder: string, keys: DecryptOptions): Promise<{ values: Values; isSecret: boolean }> {
  refuseUrl(source, 'valuesFiles')
  const file = resolve(folder, source)
  const shown = relative(folder, file)
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new ClusterTestError('ERR_HELM_VALUES', `Values file "${source}" does not exist: looked at "${file}".`, {
      cause,
      hint: 'Paths in "valuesFiles" are relative to the test file.',
    })
  })
  const isSecret = isEncrypted(text)
  const plain = isSecret ? await decryptFile(file, text, shown, keys) : text
  const documents = parseYaml(plain, `"${shown}"`, 'Values file').filter(({ value }) => value !== null && value !== undefined)
  for (const { value, origin } of documents) {
    if (!isMap(value)) throw new ClusterTestError('ERR_HELM_VALUES', `Values file ${origin} contains no object.`)
    const changed = findRaw(value)
    if (changed !== undefined)
      throw new ClusterTestError('ERR_HELM_VALUES', `Values file ${origin} has the integer ${changed}, which Helm would round.`, {
        hint: 'Helm reads numbers as 64-bit floating point: quote it.',
      })
  }
  return { values: documents.map(({ value }) => value as Values).reduce(mergeValues, {}), isSecret }
}

/** Not a number that is kept as its digits. */
function isMap(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return value.length >= 4 ? [value] : []
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : []
}

/** An integer that no double holds. */
function findRaw(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (!Array.isArray(value) && !isMap(value)) return JSON.stringify(value)
  return Object.values(value)
    .map(findRaw)
    .find((each) => each !== undefined)
}
