import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { stringify } from 'yaml'

import { type Cluster, stoppedNodes } from '../cluster/cluster.ts'
import { readNodeLogs } from '../cluster/node-logs.ts'
import type { SuiteCluster } from '../cluster/suite-cluster.ts'
import type { Docker } from '../docker/docker.ts'
import { type Kind, listPath, workloadKinds } from '../kube/kinds.ts'
import { listAll } from '../kube/list-all.ts'
import { readPodLog } from '../kube/logs.ts'
import { isInNamespaces } from '../kube/namespaces.ts'
import type { KubeObject } from '../kube/object.ts'
import { readSecretValues } from '../kube/secrets.ts'
import type { Pod } from '../kube/types.ts'
import { describeCluster } from '../stack/ready/diagnose.ts'
import { messageOf } from '../support/errors.ts'
import { describeSide } from './describe-side.ts'
import type { Bundle, BundleFile } from './model.ts'
import type { SuiteRecorder } from './recorder.ts'

export interface BundleOptions {
  readonly cluster: Pick<SuiteCluster, 'name' | 'kube'>
  /** Those of a cluster that runs on this machine. */
  readonly nodes: NodesOfCluster | undefined
  readonly recorder: SuiteRecorder
  /** Those of the suite; undefined for all. */
  readonly namespaces: () => readonly string[] | undefined
  readonly manifests: readonly KubeObject[]
  /** Whether the cluster's Secrets are followed. */
  readonly isWatched: boolean
  /** What the processes of bridges have printed, by workload. */
  readonly outputs: () => Promise<readonly BundleFile[]>
}

export interface NodesOfCluster {
  /** Name of the server, where it does not run or is paused. */
  stoppedServer(): Promise<string | undefined>
  logs(): Promise<string>
}

export function nodesOf(docker: Docker, cluster: Cluster): NodesOfCluster {
  return {
    async stoppedServer() {
      const { container } = cluster.nodes[0]!
      return (await stoppedNodes(docker, cluster)).includes(container) ? container : undefined
    },
    logs: () => readNodeLogs(docker, cluster.name),
  }
}

/** Characters of one file, and of all: what is older goes first. */
const fileLimit = 200_000
const totalLimit = 5_000_000
const logLines = 5_000

/** Writes down the state of a suite's cluster: once, at its first failure. What cannot be read is said in its place. */
export async function writeBundle(options: BundleOptions): Promise<Bundle | undefined> {
  const { recorder } = options
  const { folder } = recorder
  if (!folder) return undefined
  const signal = await answersFor(options)
  const parts = [reportOf(options, signal), podLogs(options, signal), objectsOf(options, signal), nodeLogs(options), options.outputs()]
  const [unknown, ...collected] = await Promise.all([readSecrets(options, signal), ...parts])
  const all = [...(unknown ?? collected.flat()), ...recordsOf(options)].toSorted(
    (a, b) => order(a) - order(b) || a.path.localeCompare(b.path),
  )
  let room = totalLimit
  const files = all.map(({ path, text }) => {
    const limited = limit(recorder.redact(text), Math.min(fileLimit, room))
    room -= limited.length
    return { path, text: limited }
  })
  for (const { path, text } of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
  return { folder, files }
}

/** How long the cluster is waited for: not at all when its server does not run, or is paused. */
async function answersFor({ nodes }: BundleOptions): Promise<AbortSignal> {
  // An engine that does not answer cannot say: then the API server is asked.
  const server = await nodes?.stoppedServer().catch(() => undefined)
  return server === undefined ? AbortSignal.timeout(15_000) : AbortSignal.abort(new Error(`node "${server}" is paused or has stopped`))
}

const first = ['report.txt', 'events.txt', 'bridges.txt']

function order({ path }: BundleFile): number {
  const index = first.indexOf(path)
  return index < 0 ? first.length : index
}

function limit(text: string, length: number): string {
  if (text.length <= length) return text
  return `(the first ${text.length - length} characters are omitted)\n${text.slice(text.length - length)}`
}

/** Before anything is redacted: those that have come since the watch of them was last heard. Resolves to what is written in place of all that may hold one. */
async function readSecrets(
  { cluster, recorder, isWatched }: BundleOptions,
  signal: AbortSignal,
): Promise<readonly BundleFile[] | undefined> {
  try {
    recorder.addSecrets(await readSecretValues(cluster.kube, signal))
    return undefined
  } catch (error) {
    // A server that has gone has had no new ones.
    if (isWatched) return undefined
    const text = `Neither logs nor objects are written, since they may hold Secrets and these cannot be read: ${messageOf(error)}\n`
    return [{ path: 'report.txt', text }]
  }
}

async function reportOf({ cluster, namespaces }: BundleOptions, signal: AbortSignal): Promise<readonly BundleFile[]> {
  return [{ path: 'report.txt', text: `${await describeCluster(cluster.kube, { lines: 30, namespaces: namespaces(), signal })}\n` }]
}

async function podLogs({ cluster: { kube }, namespaces }: BundleOptions, signal: AbortSignal): Promise<readonly BundleFile[]> {
  try {
    const items = await listAll<Pod>(kube, 'Pod', signal)
    const shown = items.filter((pod) => pod.metadata?.namespace === 'kube-system' || isInNamespaces(pod, namespaces()))
    const logs = shown.flatMap(({ metadata, status }) => {
      const { namespace = '', name = '' } = metadata ?? {}
      return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].flatMap(
        ({ name: container, state, restartCount }) => [
          ...(state?.running || state?.terminated || restartCount > 0 ? [{ namespace, name, container, previous: false }] : []),
          ...(restartCount > 0 ? [{ namespace, name, container, previous: true }] : []),
        ],
      )
    })
    return await Promise.all(
      logs.map(async ({ namespace, name, container, previous }) => ({
        path: `logs/${namespace}/${name}/${container}${previous ? '.previous' : ''}.log`,
        text: await readPodLog(kube, namespace, name, { container, previous, tail: logLines, signal }).catch(unreadable),
      })),
    )
  } catch (error) {
    return [{ path: 'logs/unreadable.txt', text: unreadable(error) }]
  }
}

const kinds: readonly Kind[] = ['Node', ...workloadKinds, 'CronJob', 'Service', 'EndpointSlice', 'PersistentVolumeClaim']

/** What `kubectl get -o yaml` would show, without who has written which field. */
async function objectsOf({ cluster: { kube }, namespaces, manifests }: BundleOptions, signal: AbortSignal): Promise<readonly BundleFile[]> {
  const found = await Promise.all(
    kinds.map(async (kind): Promise<BundleFile> => {
      const name = `objects/${listPath(kind, undefined).split('/').at(-1)}.yaml`
      try {
        const items = await listAll<KubeObject>(kube, kind, signal)
        const own = items.filter((object) => object.metadata.namespace === undefined || isInNamespaces(object, namespaces()))
        return { path: name, text: own.map((object) => stringify(withoutManagedFields(object))).join('---\n') }
      } catch (error) {
        return { path: name, text: unreadable(error) }
      }
    }),
  )
  const applied = { path: 'manifests.yaml', text: manifests.map((object) => stringify(withoutData(object))).join('---\n') }
  return [...found, applied].filter(({ text }) => text !== '')
}

function withoutManagedFields(object: KubeObject): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata
  return { ...object, metadata }
}

/** Values too short to be redacted everywhere are no one's business here either. */
function withoutData(object: KubeObject): KubeObject {
  if (object.kind !== 'Secret') return object
  const hide = (data: unknown) => Object.fromEntries(Object.keys(data ?? {}).map((key) => [key, '[redacted]']))
  const { data, stringData, ...rest } = object
  return {
    ...rest,
    ...(data !== undefined && { data: hide(data) }),
    ...(stringData !== undefined && { stringData: hide(stringData) }),
  }
}

async function nodeLogs({ nodes }: BundleOptions): Promise<readonly BundleFile[]> {
  return nodes ? [{ path: 'nodes.log', text: await nodes.logs().catch(unreadable) }] : []
}

function recordsOf({ recorder: { record } }: BundleOptions): readonly BundleFile[] {
  const time = (at: number) => new Date(at).toISOString()
  const events = record.events.toSorted((a, b) => a.at - b.at)
  const bridges = record.bridges.map(
    ({ start, end, workload, side }) => `${time(start)}  ${workload} ${describeSide(side)}${end ? ` until ${time(end)}` : ''}`,
  )
  const requests = record.requests.map(({ at, workload, method, url }) => `${time(at)}  ${workload}  ${method} ${url}`)
  return [
    { path: 'events.txt', lines: events.map((each) => `${time(each.at)}  ${each.type}  ${each.object}  ${each.reason}: ${each.message}`) },
    { path: 'bridges.txt', lines: [...bridges, ...requests] },
    {
      path: 'steps.txt',
      lines: record.steps.map((each) => `${time(each.start)}  ${each.step}  ${each.text}  ${each.state} ${Math.round(each.duration)} ms`),
    },
  ]
    .filter(({ lines }) => lines.length > 0)
    .map(({ path, lines }) => ({ path, text: `${lines.join('\n')}\n` }))
}

function unreadable(error: unknown): string {
  return `cannot be read: ${messageOf(error)}\n`
}
