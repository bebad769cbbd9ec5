import { setTimeout as sleep } from 'node:timers/promises'

import { withDeadline } from '../../support/deadline.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { formatList } from '../../support/format.ts'
import { type Progress, runStep } from '../../support/progress.ts'
import { type Cluster, type StartClusterOptions, readNodes, startCluster, stoppedNodes } from '../cluster.ts'
import { whilePaused } from '../while-paused.ts'
import type { Template } from './template.ts'
import { waitForReturn } from './wait-for-return.ts'

export type StandbyOptions = Omit<StartClusterOptions, 'template' | 'cpuShares' | 'progress' | 'signal'> & { readonly template: Template }

/** A fork that is made before anybody asks for it, and sleeps until then. Disposal removes it, unless it has been taken. */
export interface Standby extends AsyncDisposable {
  /** Of its template. */
  readonly key: string
  /** Resolves when it has started. */
  readonly started: Promise<unknown>
  /** Wakes it for the one who takes it, and owns it from then on. What still starts gets its full part of the processors. */
  take(progress: Progress, signal: AbortSignal): Promise<Cluster>
}

/** What it takes of the processors beside the tests that run meanwhile, which have 1,024. */
const lowShares = 128
const fullShares = 1_024

/**
 * Milliseconds. A node that has not been heard of for 40 s is not ready any more (node-monitor-grace-period; 50 s since Kubernetes 1.32), and
 * kubelet reports every 10 s: so it wakes for a moment in between.
 */
const sleepTime = 20_000
const wakeTime = 2_000

/** Milliseconds until all is there again: ten times of what a 2-core machine needs. */
const wakeTimeout = 30_000

export function startStandby(options: StandbyOptions): Standby {
  const { docker, name, template } = options
  const stop = new AbortController()
  const taken = new AbortController()
  let tell: Progress = () => {}
  // What it takes to start is nobody's waiting time.
  const progress: Progress = (event) => void (event.step !== 'cluster' && tell(event))
  let isRunning = false
  const started = startCluster({ ...options, cpuShares: lowShares, progress, signal: stop.signal })
  // One that cannot be paused stays awake.
  const rested = started.then((cluster) => rest(cluster, AbortSignal.any([stop.signal, taken.signal]))).catch(() => undefined)

  async function rest(cluster: Cluster, signal: AbortSignal): Promise<void> {
    isRunning = true
    while (!signal.aborted) {
      await whilePaused(docker, cluster, () => until(signal, sleepTime))
      await until(signal, wakeTime)
    }
  }

  async function raiseShares(): Promise<void> {
    const raise = async (name: string) => {
      const container = docker.engine.getContainer(name)
      const { HostConfig } = await container.inspect()
      // An engine that has no control of processors, as without root, has not taken them, and refuses to change them.
      if (HostConfig.CpuShares === lowShares) await container.update({ CpuShares: fullShares })
    }
    await Promise.all((await readNodes(docker, name)).map(({ container }) => raise(container)))
  }

  return {
    key: template.key,
    started,
    take: (report, signal) =>
      runStep(report, 'cluster', `k3d cluster "${name}", a fork of "${template.name}" that was started before`, async () => {
        tell = report
        taken.abort()
        const abort = () => stop.abort(signal.reason)
        signal.addEventListener('abort', abort, { once: true })
        try {
          signal.throwIfAborted()
          if (!isRunning) await raiseShares()
          const cluster = await started
          await rested
          const stopped = await stoppedNodes(docker, cluster)
          if (stopped.length > 0)
            throw new ClusterTestError(
              'ERR_CLUSTER_FORK_FAILED',
              `${formatList(stopped)} of "${name}", which slept, does not run any more.`,
            )
          await raiseShares()
          const what = `The return of nodes, pods and endpoints in "${name}", which slept,`
          await withDeadline({ limit: wakeTimeout, code: 'ERR_CLUSTER_FORK_FAILED', what, signal }, (each) =>
            waitForReturn(cluster.kube, template.containers, each),
          )
          return cluster
        } catch (error) {
          await end()
          throw error
        } finally {
          signal.removeEventListener('abort', abort)
        }
      }),
    async [Symbol.asyncDispose]() {
      if (!taken.signal.aborted) await end()
    },
  }

  async function end(): Promise<void> {
    stop.abort()
    const [cluster] = await Promise.allSettled([started, rested])
    if (cluster.status === 'fulfilled') await cluster.value[Symbol.asyncDispose]()
  }
}

/** Until so many milliseconds have passed, or the signal says so. */
async function until(signal: AbortSignal, time: number): Promise<void> {
  await sleep(time, undefined, { signal, ref: false }).catch(() => undefined)
}
