import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import type {} from 'vitest/config'
import type { Vite, Vitest } from 'vitest/node'

import { type Broker, startBroker } from '../broker/broker.ts'
import { type KubeconfigCluster, checkKubeconfigCluster } from '../engine/leased/options.ts'
import { parseTemplates, readSettings } from '../engine/settings.ts'
import { createRecorder } from '../report/recorder.ts'
import { bypassProxy } from '../support/bypass-proxy.ts'
import { disposeWithin } from '../support/deadline.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { handleSignals } from '../support/handle-signals.ts'
import { createTerminalProgress } from '../support/terminal.ts'
import { announceFiles } from './announce-files.ts'
import { guardRun } from './guard.ts'
import { outputsOf } from './outputs.ts'
import { createReporter } from './reporter.ts'
import { rerunOnChange } from './rerun.ts'

export interface KubernetesPluginOptions {
  /**
   * An existing cluster, for all suites: each gets a namespace there, in place of a cluster that k3d makes. Neither Docker nor k3d is
   * needed. Suites stay as they are, as long as they need one namespace and no more.
   * @default clusters that k3d makes
   */
  readonly cluster?: KubeconfigCluster
  /** The k3d program. @default VITEST_KUBERNETES_K3D, or else `k3d` on PATH */
  readonly k3d?: string
  /** Node image for every cluster. @default VITEST_KUBERNETES_NODE_IMAGE, or else k3d's own k3s image */
  readonly nodeImage?: string
  /** Images to use in place of others in manifests and Dockerfiles, by repository: `{ postgres: 'mirror.example.com/postgres:17' }`. @default VITEST_KUBERNETES_IMAGES (`postgres=…,redis=…`) */
  readonly imageSubstitutes?: Readonly<Record<string, string>>
  /** Docker network for the RUN steps of image builds, such as `host`. @default VITEST_KUBERNETES_BUILD_NETWORK, or else Docker's own */
  readonly buildNetwork?: string
  /**
   * Keep each suite's cluster, with everything deployed and seeded, as a template, and start the next cluster of the same content from it:
   * `true`, or the size that all templates together may take, such as `'5 GB'`. `true` stands for 20 GB. While suites run, the clusters
   * of those that come next are started ahead, and sleep. Not in watch mode.
   * @default VITEST_KUBERNETES_TEMPLATES, or else `false`
   */
  readonly templates?: boolean | string
  /** Clusters at the same time; further suites wait. @default the number of processors that Docker has */
  readonly maxClusters?: number
  /** Milliseconds that a cluster which no suite uses is held ready for the next one: a shared one, and in watch mode every one. @default 300_000 */
  readonly idleTimeout?: number
  /** Milliseconds for the teardown of a suite, and of what is left at the end of the run: a hung Docker engine must not hang a run. @default 180_000 */
  readonly teardownTimeout?: number
  /**
   * Folder of the reports, relative to vitest's root: a page of the run (`report.html`), its figures (`timings.json`), and the state of
   * the cluster of each suite that failed. Runs replace what is in it. `false` for none, and no table of timings in the terminal either.
   * @default '.vitest/kubernetes'
   */
  readonly report?: string | false
  /** Clean up on Ctrl-C, SIGTERM and SIGHUP. @default true */
  readonly handleSignals?: boolean
}

/**
 * The vitest plugin: it owns the clusters of a run.
 *
 * @example
 * import { kubernetes } from 'vitest-kubernetes/plugin'
 * export default defineConfig({ plugins: [kubernetes()] })
 */
export function kubernetes(options: KubernetesPluginOptions = {}): Vite.Plugin {
  return {
    name: 'vitest-kubernetes',
    async configureVitest({ vitest, project }) {
      const broker = await brokerOf(vitest, options)
      const { teardownTimeout = defaultTeardownTimeout } = options
      project.provide('vitest-kubernetes', { ...broker.address, junit: hasReporter(vitest, 'junit'), teardownTimeout })
      project.config.setupFiles.push(setupFile)
    },
  }
}

/** More than one request to an engine that does not answer. */
const defaultTeardownTimeout = 180_000

/** The hook runs once for each project of a vitest instance, and again after a restart in watch mode. */
const brokers = new WeakMap<Vitest, Promise<Broker>>()

function brokerOf(vitest: Vitest, options: KubernetesPluginOptions): Promise<Broker> {
  const known = brokers.get(vitest)
  if (known) return known
  const broker = createBroker(vitest, options)
  brokers.set(vitest, broker)
  return broker
}

async function createBroker(vitest: Vitest, options: KubernetesPluginOptions): Promise<Broker> {
  const { maxClusters } = options
  if (maxClusters !== undefined && !(Number.isInteger(maxClusters) && maxClusters > 0)) {
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `Expected \`maxClusters\` to be a positive integer, got ${maxClusters}.`)
  }
  const { idleTimeout = 300_000, teardownTimeout = defaultTeardownTimeout } = options
  for (const [name, value] of Object.entries({ idleTimeout, teardownTimeout })) {
    if (value > 0 && value < 2 ** 31) continue
    throw new ClusterTestError(
      'ERR_OPTIONS_INVALID',
      `Expected \`${name}\` to be a positive number of milliseconds below 2 ** 31, got ${value}.`,
    )
  }
  checkKubeconfigCluster(options.cluster)
  const { env } = process
  const settings = readSettings(env)
  const bypass = bypassProxy()
  const { report = join('.vitest', 'kubernetes') } = options
  const recorder = createRecorder(report === false ? undefined : resolve(vitest.config.root, report))
  const outputs = outputsOf(vitest, recorder.folder)
  if (report !== false) {
    const log = (text: string) => vitest.logger.log(text)
    vitest.config.reporters.push(
      createReporter(recorder, { root: vitest.config.root, env, log, annotate: !hasReporter(vitest, 'github-actions') }),
    )
  }
  const templateLimit = options.templates === undefined ? settings.templateLimit : parseTemplates('`templates`', options.templates)
  const broker = await startBroker({
    k3d: options.k3d ?? settings.k3d,
    nodeImage: options.nodeImage ?? settings.nodeImage,
    substitutes: options.imageSubstitutes ?? settings.substitutes,
    buildNetwork: options.buildNetwork ?? settings.buildNetwork,
    templateLimit,
    cluster: options.cluster && { ...options.cluster, kubeconfig: resolvePath(vitest.config.root, options.cluster.kubeconfig) },
    outputs,
    maxClusters: options.maxClusters,
    isWatch: vitest.config.watch,
    ...(vitest.config.watch && { onRequest: rerunOnChange(vitest, outputs) }),
    idleTimeout,
    progress: createTerminalProgress((line) => vitest.logger.log(recorder.redact(line))),
    recorder,
  })
  if (templateLimit !== undefined && !vitest.config.watch && !options.cluster) vitest.config.reporters.push(announceFiles(vitest, broker))
  const guard = guardRun((error) => {
    vitest.logger.error(recorder.redact(`An error that nobody waits for, in what is done for a suite: ${detailsOf(error)}`))
    // It must not look like a green run.
    process.exitCode ||= 1
  })
  let signalled: NodeJS.Signals | undefined
  let ended: Promise<void> | undefined
  const end = () => (ended ??= Promise.resolve(disposeWithin(teardownTimeout, 'The end of the run', broker)[Symbol.asyncDispose]()))
  let isRestarting = false
  let isClosed = false
  vitest.onServerRestart(() => void (isRestarting = true))
  const signals =
    options.handleSignals === false
      ? undefined
      : handleSignals(async (signal) => {
          signalled = signal
          if (broker.isUsed)
            vitest.logger.log(`${signal}: removing the clusters. Press Ctrl-C again to quit immediately; the clusters are still removed.`)
          broker.cancel(new ClusterTestError('ERR_SETUP_CANCELLED', `The run was cancelled by ${signal}.`))
          // vitest would wait for the run that comes after the restart.
          if (isRestarting) await end().finally(() => process.exit(exitCodes[signal]))
          await vitest.cancelCurrentRun('keyboard-input')
          await vitest.exit(true)
        })
  vitest.onClose(async () => {
    // vitest keeps the handler over a restart, after which there is another one for another broker.
    if (isClosed) return
    isClosed = true
    brokers.delete(vitest)
    try {
      await end()
    } catch (error) {
      vitest.logger.error(messageOf(error))
      process.exitCode ||= 1
    }
    signals?.[Symbol.dispose]()
    guard[Symbol.dispose]()
    bypass[Symbol.dispose]()
    // As a shell reports a process that a signal ended; vitest says 1.
    if (signalled) process.exitCode = exitCodes[signalled]
  })
  return broker
}

function resolvePath(root: string, path: string): string {
  return path.startsWith('~/') ? path : resolve(root, path)
}

function detailsOf(error: unknown): string {
  return (error instanceof Error && error.stack) || messageOf(error)
}

const exitCodes: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }

function hasReporter({ config }: Vitest, name: string): boolean {
  return config.reporters.some((reporter) => (Array.isArray(reporter) ? reporter[0] : reporter) === name)
}

const setupFile = fileURLToPath(new URL(`../suite/setup${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url))
