import { readdir, stat } from 'node:fs/promises'
import { isAbsolute, join, resolve } from 'node:path'

import { kindOf, templatePath } from '../../kube/kinds.ts'
import type { KubeObject } from '../../kube/object.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { randomId } from '../../support/identity.ts'
import { createRedact } from '../../support/redact.ts'
import { CommandError } from '../../support/run-command.ts'
import { type Manifest, parseManifests } from '../manifests/manifests.ts'
import type { ChartOptions, ToolOptions } from '../tool-options.ts'
import type { DecryptOptions } from '../tools/sops.ts'
import { type ChartValues, readValues } from './helm-values.ts'
import { type Helm, createHelm } from './helm.ts'

/** A release as it is to be installed, rendered already. */
export interface ChartPlan {
  readonly release: string
  readonly namespace: string
  readonly options: ChartOptions
  /** Absolute path of the folder or archive. */
  readonly path: string
  readonly values: ChartValues
  /** What the chart renders to, hooks included; workloads and Services with their namespace. */
  readonly manifests: readonly Manifest[]
  readonly helm: Helm
}

export interface PlanChartsOptions extends DecryptOptions {
  /** What paths are relative to. */
  readonly folder: string
  /** Private folder of the run, where downloaded charts go. */
  readonly runFolder: string
  /** Of releases that name none. */
  readonly namespace: string
  /** What the cluster will have besides Kubernetes' own: `group/version` and `group/version/Kind`. @default [] */
  readonly apiVersions?: readonly string[]
}

/**
 * Finds, reads and renders charts before anything is created.
 * @throws ClusterTestError `ERR_HELM_CHART_NOT_FOUND`, `ERR_HELM_VALUES`, `ERR_HELM_FAILED` with Helm's words
 */
export async function planCharts(charts: ToolOptions['charts'] = {}, options: PlanChartsOptions): Promise<readonly ChartPlan[]> {
  const entries = Object.entries(charts)
  if (entries.length === 0) return []
  const helm = await createHelm(options.runFolder, options.signal)
  return await Promise.all(
    entries.map(([release, chart]) => planChart(release, typeof chart === 'string' ? { chart } : chart, helm, options)),
  )
}

async function planChart(release: string, chart: ChartOptions, helm: Helm, options: PlanChartsOptions): Promise<ChartPlan> {
  const { folder, namespace: defaultNamespace, signal } = options
  const values = await readValues(chart, folder, { ageKeyFile: options.ageKeyFile, env: options.env, signal })
  const path = isLocal(chart.chart) ? await findLocal(release, chart.chart, folder) : await download(release, chart, helm, options)
  const namespace = chart.namespace ?? defaultNamespace
  const args = ['template', release, path, '--namespace', namespace, '--values', '-', '--skip-tests']
  for (const each of [...(options.apiVersions ?? []), ...(chart.apiVersions ?? [])]) args.push('--api-versions', each)
  const rendered = await helm.run(args, { input: values.json, signal }).catch((error: unknown) => {
    throw explainRendering(error, `Chart "${chart.chart}" of release "${release}" could not be rendered`, values)
  })
  const manifests = parseManifests(rendered, `chart ${release}`).map((manifest) => {
    const object = place(manifest.object, namespace)
    return { ...manifest, object, chart: { release, rendered: object } }
  })
  return { release, namespace, options: chart, path, values, manifests, helm }
}

/** What CustomResourceDefinitions bring, as `.Capabilities.APIVersions` has it. */
export function definedVersions(manifests: readonly Manifest[]): readonly string[] {
  const definitions = manifests.map(({ object }) => object).filter((object) => kindOf(object) === 'CustomResourceDefinition')
  const versions = definitions.flatMap((definition) => {
    const { group, names, versions: all = [] } = (definition['spec'] ?? {}) as DefinitionSpec
    return all.filter(({ served }) => served).flatMap(({ name }) => [`${group}/${name}`, `${group}/${name}/${names?.kind}`])
  })
  return [...new Set(versions)]
}

interface DefinitionSpec {
  readonly group?: string
  readonly names?: { readonly kind?: string }
  readonly versions?: readonly { readonly name: string; readonly served?: boolean }[]
}

/** What a template itself refuses may only be there once there is a cluster. */
function explainRendering(error: unknown, what: string, values: ChartValues): unknown {
  const explained = explainHelm(error, what, values)
  if (!(explained instanceof ClusterTestError) || explained.hint || !/execution error at/.test(explained.message)) return explained
  return new ClusterTestError('ERR_HELM_FAILED', explained.message, {
    hint: 'Charts are rendered before there is a cluster: `.Capabilities.APIVersions` has what Kubernetes and the CustomResourceDefinitions of the suite define, and `lookup` finds nothing. Name what else the chart asks for in its option `apiVersions`.',
  })
}

/** The namespaces of releases that nothing else declares: applied like manifests, they are there for Secrets too, and go with the suite. */
export function namespacesOf(charts: ToolOptions['charts'] = {}, manifests: readonly Manifest[]): readonly Manifest[] {
  const declared = new Set(manifests.filter(({ object }) => object.kind === 'Namespace').map(({ object }) => object.metadata.name))
  const wanted = Object.values(charts).flatMap((chart) => (typeof chart === 'string' ? [] : [chart.namespace ?? []].flat()))
  return [...new Set(wanted)]
    .filter((name) => !declared.has(name) && name !== 'default' && !name.startsWith('kube-'))
    .map((name) => ({ object: { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, origin: `namespace "${name}" of "charts"` }))
}

function isLocal(chart: string): boolean {
  return chart.startsWith('.') || isAbsolute(chart)
}

async function findLocal(release: string, chart: string, folder: string): Promise<string> {
  const path = resolve(folder, chart)
  const found = await stat(path.endsWith('.tgz') ? path : join(path, 'Chart.yaml')).catch(() => undefined)
  if (found?.isFile()) return path
  throw new ClusterTestError('ERR_HELM_CHART_NOT_FOUND', `There is no chart at "${chart}" for release "${release}": looked at "${path}".`, {
    hint: 'Name a folder with a Chart.yaml, or a .tgz archive, relative to the test file. Charts from repositories do not start with ".".',
  })
}

async function download(release: string, chart: ChartOptions, helm: Helm, { runFolder, signal }: PlanChartsOptions): Promise<string> {
  const { chart: name, repo, version } = chart
  const what = `Chart "${name}"${version ? `, version ${version},` : ''} of release "${release}"`
  if (!repo && !name.includes('://'))
    throw new ClusterTestError('ERR_HELM_CHART_NOT_FOUND', `${what} is neither a path nor a URL and has no \`repo\`.`, {
      hint: `Set its repository ({ chart: '${name}', repo: 'https://…' }), or write "./${name}" for a folder.`,
    })
  const target = join(runFolder, 'charts', `${release}-${randomId(4)}`)
  const args = [
    'pull',
    name,
    '--destination',
    target,
    '--untar',
    ...(repo ? ['--repo', repo] : []),
    ...(version ? ['--version', version] : []),
  ]
  await helm.run(args, { signal }).catch((error: unknown) => {
    throw explainDownload(error, `${what} could not be downloaded${repo ? ` from "${repo}"` : ''}`)
  })
  const folders = (await readdir(target, { withFileTypes: true })).filter((entry) => entry.isDirectory())
  return join(target, folders[0]!.name)
}

function explainDownload(error: unknown, what: string): unknown {
  const failed = explainHelm(error, what)
  if (!(failed instanceof ClusterTestError)) return failed
  const isReached = !/cannot be reached|dial tcp|tls: /.test(failed.message)
  const isAbsent = isReached && /not found|status code 404/.test(failed.message)
  return new ClusterTestError(isAbsent ? 'ERR_HELM_CHART_NOT_FOUND' : 'ERR_HELM_FAILED', failed.message, {
    hint: isAbsent ? 'Check the name of the chart and its version.' : 'Check the address, and log in with "helm registry login" if needed.',
  })
}

/** Helm leaves the namespace out. */
function place(object: KubeObject, namespace: string): KubeObject {
  const isPlaced = object.metadata.namespace !== undefined || !(templatePath(object) || kindOf(object) === 'Service')
  return isPlaced ? object : { ...object, metadata: { ...object.metadata, namespace } }
}

/** With Helm's own words, less what encrypted files hold. */
export function explainHelm(error: unknown, what: string, values?: ChartValues, logs = ''): unknown {
  if (!(error instanceof CommandError)) return error
  const words = error.output
    .trim()
    .replaceAll(/^Error: /gm, '')
    .replaceAll(/^(?:level=|time=).*\n?/gm, '')
  const text = createRedact(values?.secrets ?? [])(words + logs)
  const hint = /missing in charts\/ directory|dependency build/.test(text)
    ? 'Fetch its dependencies: run "helm dependency build" in its folder.'
    : undefined
  // Without the original error, which has the words as they were.
  return new ClusterTestError('ERR_HELM_FAILED', `${what}: ${text}`, { hint })
}
