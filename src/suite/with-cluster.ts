import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'

import {
  aroundAll,
  afterEach,
  beforeEach,
  type RunnerTestCase,
  type RunnerTestSuite,
  type SuiteOptions,
  type TestAPI,
  test as base,
} from 'vitest'

import type { Bridge } from '../bridge/options.ts'
import type { SuiteBridges } from '../bridge/options.ts'
import { installClusterNames, namesOf } from '../bridge/side/host-names.ts'
import { readAddresses } from '../bridge/side/read-addresses.ts'
import { leaseCluster } from '../broker/client.ts'
import type { Lease } from '../broker/lease.ts'
import { checkSuiteBridges, describeBridged, sourcesOf } from '../client/bridge-option.ts'
import { createRequest, createTestCluster } from '../client/create-test-cluster.ts'
import type { Inferring, ServicesOf } from '../client/define-stack.ts'
import { callSiteOf, locateError, withLocatedErrors } from '../client/locate-errors.ts'
import { runSeedFunctions } from '../client/run-seed-functions.ts'
import { createTestBridges } from '../client/test-bridges.ts'
import type { RequestService, TestCluster } from '../client/test-cluster.ts'
import { createKubeClient } from '../kube/client.ts'
import {
  type ClusterOptions,
  type ServiceDefinitions,
  type SuiteClusterOptions,
  checkOptions,
  checkSpelling,
  clusterOptionKeys,
} from '../stack/options.ts'
import { declaredSeeds } from '../stack/seed-options.ts'
import { bypassProxy } from '../support/bypass-proxy.ts'
import { disposeWithin } from '../support/deadline.ts'
import { ClusterTestError, inOne } from '../support/errors.ts'
import { brokerAddress } from './broker-address.ts'
import { createFailureReport } from './failure-report.ts'
import { withSuiteHooks } from './suite-hooks.ts'

/** What the tests of a suite receive besides vitest's own context. */
export interface ClusterTestContext<Named extends string = never, Services extends object = object, Bridged extends string = string> {
  readonly cluster: TestCluster<Named, Services>
  readonly request: RequestService<Services>
  /** Those of the suite's option `bridge`, by workload. */
  readonly bridges: Readonly<Record<Bridged, Bridge>>
}

/** Names of services and workloads that have a seed. */
type SeededBy<Seed> = KeysOf<Seed extends readonly unknown[] ? Seed[number] : Seed>
type KeysOf<Stage> = Stage extends (...args: never) => unknown ? never : Extract<keyof Stage, string>

export interface WithCluster {
  /**
   * A suite with a Kubernetes cluster of its own: real services, seeded data, gone when the suite ends.
   *
   * @param options what runs in the cluster, and vitest's own options for suites
   * @throws ClusterTestError `ERR_OPTIONS_INVALID` while the file is collected; what fails in the set-up fails the suite
   * @example
   * describe.withCluster('orders', { images: ['./orders'], manifests: ['./k8s'] }, (test) => {
   *   test('answers', async ({ request }) => {
   *     await request('orders').get('/healthz').expect(200)
   *   })
   * })
   */
  withCluster<Seed, const Services extends ServiceDefinitions = Record<string, never>, Bridged extends string = never>(
    name: string,
    options: SuiteOptions & ClusterOptions & Inferring<Services, Seed> & SuiteBridges<Bridged>,
    fn: (test: TestAPI<ClusterTestContext<SeededBy<Seed> | Bridged, ServicesOf<Services>, Bridged>>) => void,
  ): void
}

type Describe = (name: string, options: SuiteOptions, fn: () => void) => unknown

/** Called as a method of `describe` or of one of its chains, so that `.skip`, `.only` and `.concurrent` work. */
export function withCluster(
  this: Describe,
  name: string,
  options: SuiteOptions & SuiteClusterOptions & SuiteBridges,
  fn: (test: TestAPI<ClusterTestContext>) => void,
): void {
  if (typeof options !== 'object' || options === null)
    throw new ClusterTestError(
      'ERR_OPTIONS_INVALID',
      `Expected describe.withCluster("${name}", options, fn), got ${typeof options} instead of options.`,
    )
  const { bridge = {}, ...rest } = options
  const { cluster: clusterOptions, suite: suiteOptions } = splitOptions(rest)
  checkSpelling(suiteOptions)
  checkOptions(clusterOptions)
  checkSuiteBridges({ bridge })

  const callSite = callSiteOf(withCluster)
  this(name, suiteOptions, () => {
    let running: (ClusterTestContext & { setup: string; report(task: RunnerTestCase): Promise<string> }) | undefined
    const current = () => {
      if (running) return running
      throw new ClusterTestError('ERR_OPTIONS_INVALID', `The cluster of suite "${name}" is not running.`, {
        hint: 'Use it in tests and in hooks of the suite, not while the file is collected.',
      })
    }

    const runInCluster = async (runSuite: () => Promise<void>, suite: Readonly<RunnerTestSuite>) => {
      const file = suite.file.filepath
      const broker = brokerAddress(suite.file.projectName)
      const folder = dirname(file)
      const bridged = describeBridged({ bridge }, folder)
      const owned = new AsyncDisposableStack()
      await using _teardown = disposeWithin(broker.teardownTimeout, `Teardown of suite "${name}"`, owned)
      const direct = owned.use(bypassProxy())
      const request = {
        ...{ suite: name, id: suite.id, file, folder, bridged },
        options: { ...clusterOptions, seed: declaredSeeds(clusterOptions.seed) },
        sources: sourcesOf({ bridge }),
      }
      const bypass = ({ addressesFile, namespace }: Lease) => direct.update(namesOf(readAddresses(addressesFile)(), namespace))
      const held = await leaseCluster(broker, request, bypass).catch((error: unknown) => {
        throw locateError(error, callSite)
      })
      const addresses = readAddresses(held.lease.addressesFile)
      // The names go last, and before what they lead to go the connections to it.
      const names = owned.use(installClusterNames(addresses, held.lease.namespace))
      owned.use(held)
      owned.defer(() => names.endConnections())
      const kube = createKubeClient(await readFile(held.lease.kubeconfigPath, 'utf8'))
      const testBridges = owned.use(createTestBridges(held, folder))
      const cluster = withLocatedErrors(createTestCluster({ held, kube, bridges: testBridges, addresses, stack: clusterOptions }))
      const bridges: Record<string, Bridge> = {}
      for (const [workload, { standIn: _, ...side }] of Object.entries(bridge)) bridges[workload] = await testBridges.bridge(workload, side)
      if (!held.lease.isUp) await runSeedFunctions(clusterOptions, cluster, kube)
      running = {
        cluster,
        bridges,
        setup: held.lease.setup,
        request: createRequest(cluster),
        report: createFailureReport(name, kube, held, () => testBridges.requests()),
      }
      try {
        await runSuite()
      } finally {
        running = undefined
        if (hasFailed(suite)) held.fail()
        held.remember(testBridges.requests())
      }
    }
    // Without a limit of vitest's: the broker's deadline ends the set-up, and waiting for a slot must not.
    aroundAll(
      (runSuite, {}, suite) =>
        runInCluster(runSuite, suite).catch((error: unknown) => {
          throw inOne(error)
        }),
      0,
    )

    let isAnnotated = false
    // JUnit's report has no place for a suite's properties: they stand at its first test.
    beforeEach(async ({ annotate }) => {
      if (isAnnotated || !running || !brokerAddress().junit) return
      isAnnotated = true
      await annotate(running.setup, 'kubernetes.setup')
    })

    // The report has a limit of its own; a hook that runs out of time would be one more failure.
    afterEach(async ({ task }: { task: RunnerTestCase }) => {
      if (task.result?.state === 'fail') await running?.report(task)
    }, 0)

    const test = base
      .extend('cluster', () => current().cluster)
      .extend('request', () => current().request)
      .extend('bridges', () => current().bridges)
    fn(withSuiteHooks(test as unknown as TestAPI<ClusterTestContext>, current))
  })
}

/** Whether a test or a hook of the suite has failed so far, with its last retry. */
function hasFailed(suite: RunnerTestSuite): boolean {
  return (
    suite.result?.state === 'fail' || suite.tasks.some((task) => (task.type === 'suite' ? hasFailed(task) : task.result?.state === 'fail'))
  )
}

function splitOptions(options: SuiteOptions & SuiteClusterOptions): { cluster: SuiteClusterOptions; suite: SuiteOptions } {
  const isOurs = ([key]: [string, unknown]) => (clusterOptionKeys as readonly string[]).includes(key)
  const entries = Object.entries(options)
  return { cluster: Object.fromEntries(entries.filter(isOurs)), suite: Object.fromEntries(entries.filter((entry) => !isOurs(entry))) }
}
