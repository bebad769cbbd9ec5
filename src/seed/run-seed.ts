import { readFile } from 'node:fs/promises'

import type { ServiceAddress } from '../cluster/network/service-address.ts'
import { containerOf } from '../kube/choose-container.ts'
import type { KubeClient } from '../kube/client.ts'
import { execInPod } from '../kube/exec.ts'
import { listPods } from '../kube/workload.ts'
import type { Manifest } from '../stack/manifests/manifests.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { formatBytes } from '../support/format.ts'
import { bracketed } from '../support/ip-range.ts'
import { type Progress, runStep } from '../support/progress.ts'
import { addressOf, findDatabase } from './database.ts'
import { openSeed } from './open-seed.ts'
import type { PlannedSeed, PlannedStep } from './plan-seeds.ts'
import { seedFile } from './seed-file.ts'
import { findStore } from './store.ts'

export interface RunSeedOptions {
  readonly kube: KubeClient
  readonly namespace: string
  readonly addresses: readonly ServiceAddress[]
  /** Applies a Job's manifests and resolves when it is complete. */
  readonly applyJob: (manifests: readonly Manifest[], signal: AbortSignal) => Promise<void>
  readonly progress: Progress
  readonly signal: AbortSignal
}

/** Runs the steps of a workload in order. The first that fails ends the seed. */
export async function runSeed({ workload, steps }: PlannedSeed, options: RunSeedOptions): Promise<void> {
  for (const step of steps) {
    const text = `${describeStep(step)} into ${workload}`
    await runStep(
      options.progress,
      'seed',
      text,
      () => runOne(workload, step, options),
      (result) => (result ? `${text}: ${result}` : text),
    )
  }
}

function describeStep(step: PlannedStep): string {
  switch (step.kind) {
    case 'file':
      return step.file.shown
    case 'exec':
      return `"${step.exec.join(' ')}"`
    case 'http':
      return `${step.method ?? 'POST'} ${step.http}`
    case 'job':
      return `Job "${step.name}"`
  }
}

function runOne(workload: string, step: PlannedStep, options: RunSeedOptions): Promise<string | undefined> {
  switch (step.kind) {
    case 'file':
      return runFile(workload, step, options)
    case 'exec':
      return runExec(workload, step, options)
    case 'http':
      return runHttp(workload, step, options)
    case 'job':
      return options.applyJob(step.manifests, options.signal).then(() => undefined)
  }
}

type StepOf<Kind> = PlannedStep & { readonly kind: Kind }

async function runFile(workload: string, { file }: StepOf<'file'>, options: RunSeedOptions): Promise<string> {
  const { signal, progress } = options
  const store = await findStore(workload, options)
  const connect = async () => {
    if (store.type === 'postgres') return findDatabase(workload, options)
    const { host, hostPort: port } = await addressOf(workload, store.pod, options, (address) => address.port === 6379)
    const password = store.env['REDISCLI_AUTH'] ?? store.env['REDIS_PASSWORD'] ?? ''
    return { host, port, user: '', password, database: '' }
  }
  let shown = 0
  const onRead = (read: number, size: number) => {
    // Small ones are done before anybody could read it.
    if (read - shown < 1 << 23) return
    shown = read
    progress({ kind: 'start', step: 'seed', text: `${file.shown} into ${workload}: ${formatBytes(read)} of ${formatBytes(size)}` })
  }
  return seedFile(store, file, { signal, onRead, connect })
}

async function runExec(workload: string, { exec, input, container }: StepOf<'exec'>, options: RunSeedOptions): Promise<undefined> {
  const { kube, namespace, signal } = options
  const [pod] = await listPods(kube, namespace, workload, signal)
  if (!pod) throw new ClusterTestError('ERR_SEED_FAILED', `Workload "${workload}" has no pod that could run "${exec.join(' ')}".`)
  const wanted = { wanted: container, workload, code: 'ERR_SEED_FAILED' } as const
  const target = { namespace, pod: pod.metadata!.name!, container: containerOf(pod, wanted) }
  const { exitCode, stdout, stderr } = await execInPod(kube, target, exec, { input: input && (await openSeed(input)).stream, signal })
  if (exitCode !== 0)
    throw new ClusterTestError(
      'ERR_SEED_FAILED',
      `Seed "${exec.join(' ')}" in ${workload} ended with exit code ${exitCode}.\n${(stderr || stdout).trimEnd()}`,
    )
}

async function runHttp(workload: string, step: StepOf<'http'>, options: RunSeedOptions): Promise<string> {
  const { http, method = 'POST', headers = {}, json, file, status, port } = step
  const [pod] = await listPods(options.kube, options.namespace, workload, options.signal)
  if (!pod) throw new ClusterTestError('ERR_SEED_FAILED', `Workload "${workload}" has no pod to answer ${method} ${http}.`)
  const isMeant = (address: ServiceAddress) =>
    port === undefined ? address.portName === 'http' : address.port === port || address.portName === port
  const { host, hostPort } = await addressOf(workload, pod, options, isMeant)
  const body = file ? await readFile(file.path) : json === undefined ? undefined : JSON.stringify(json)
  const what = `Seed ${method} ${http} into ${workload}`
  const response = await fetch(`http://${bracketed(host)}:${hostPort}${http}`, {
    method,
    headers: { ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body }),
    signal: options.signal,
  }).catch((error: unknown) => {
    options.signal.throwIfAborted()
    const { cause } = error as { cause?: unknown }
    throw new ClusterTestError('ERR_SEED_FAILED', `${what} was not answered: ${messageOf(cause ?? error)}.`, { cause: error })
  })
  const text = await response.text()
  if (status === undefined ? response.ok : response.status === status) return String(response.status)
  throw new ClusterTestError(
    'ERR_SEED_FAILED',
    `${what} was answered by ${response.status}${status === undefined ? '' : ` instead of ${status}`}.\n${text.slice(0, 2000)}`,
  )
}
