import { allKeys, checkKeys, checkOption, invalid, isDuration, isRecord, isText, isTextArray, isTextRecord } from './check-option.ts'
import type { ChartOptions, SopsOptions, ToolOptions } from './tool-options.ts'

/** @throws ClusterTestError `ERR_OPTIONS_INVALID` that names the option and the value */
export function checkTools({ kustomize, charts, secrets, sops }: ToolOptions): void {
  checkOption('kustomize', 'a folder, or an array of folders', kustomize, isPaths)
  checkSecrets(secrets)
  checkOption('sops', 'an object', sops, isRecord)
  checkKeys('sops', { ...sops }, allKeys<SopsOptions>({ ageKeyFile: true }))
  checkOption('sops.ageKeyFile', 'a path', sops?.ageKeyFile, isText)
  checkOption('charts', 'an object from release to chart', charts, isRecord)
  for (const [release, chart] of Object.entries(charts ?? {})) checkChart(release, chart)
}

function checkSecrets(secrets: unknown): void {
  const list = Array.isArray(secrets) ? secrets : secrets === undefined ? [] : [secrets]
  list.forEach((each: unknown, index) => {
    if (!isText(each) && !isTextRecord(each))
      throw invalid(
        Array.isArray(secrets) ? `secrets[${index}]` : 'secrets',
        'a path, a glob or an object from the name of a Secret to a file',
        each,
      )
  })
}

const chartKeys = allKeys<ChartOptions>({
  chart: true,
  repo: true,
  version: true,
  values: true,
  valuesFiles: true,
  apiVersions: true,
  namespace: true,
  wait: true,
  timeout: true,
})

function checkChart(release: string, chart: unknown): void {
  const option = `charts["${release}"]`
  // What Helm allows (chart/common/util.go), which Kubernetes' names allow too.
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(release) || release.length > 53)
    throw invalid('charts', 'an object with names of releases as keys (lower-case letters, digits and "-", 53 at most)', release)
  if (isText(chart)) return
  if (!isRecord(chart)) throw invalid(option, 'a chart, or { chart }', chart)
  checkKeys(option, chart, chartKeys)
  checkOption(`${option}.chart`, 'a folder, an archive, or the name of a chart', chart['chart'] ?? null, isChart)
  for (const key of ['repo', 'version', 'namespace']) checkOption(`${option}.${key}`, 'a text', chart[key], isChart)
  checkOption(`${option}.values`, 'an object', chart['values'], isRecord)
  checkValue(`${option}.values`, chart['values'])
  checkOption(`${option}.valuesFiles`, 'a path, or an array of paths', chart['valuesFiles'], isPaths)
  checkOption(`${option}.apiVersions`, 'an array of "group/version" and "group/version/Kind"', chart['apiVersions'], isVersions)
  checkOption(`${option}.wait`, 'true or false', chart['wait'], (value) => typeof value === 'boolean')
  checkOption(`${option}.timeout`, 'a positive number of milliseconds below 2 ** 31', chart['timeout'], isDuration)
}

/** Values go to Helm as JSON. */
function checkValue(option: string, value: unknown): void {
  if (value === undefined || value === null || ['string', 'boolean'].includes(typeof value) || Number.isFinite(value)) return
  const isPlain = Array.isArray(value) || (isRecord(value) && [Object.prototype, null].includes(Object.getPrototypeOf(value) as null))
  if (!isPlain) throw invalid(option, 'a string, a finite number, a boolean, null, or an array or plain object of these', value)
  for (const [key, each] of Object.entries(value as object)) checkValue(`${option}.${key}`, each)
}

const isPaths = (value: unknown) => isText(value) || isTextArray(value)
const isVersions = (value: unknown) => isTextArray(value) && value.every((each) => /^[^-,\s][^,\s]*$/.test(each))
/** Nothing that Helm would take for an option. */
const isChart = (value: unknown) => isText(value) && !value.startsWith('-')
