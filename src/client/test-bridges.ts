import type {
  Bridge,
  BridgeOptions,
  Cut,
  CutOptions,
  DisturbOptions,
  DisturbedWorkload,
  LocalContainerOptions,
  Member,
  ReceivedRequest,
  RunOptions,
} from '../bridge/options.ts'
import type { OpenBridge, OpenMember } from '../bridge/requests.ts'
import { createReceived } from '../bridge/side/received.ts'
import type { HeldLease } from '../broker/client.ts'
import type { RequestRecord } from '../report/model.ts'
import { allKeys, checkKeys } from '../stack/check-option.ts'
import { ClusterTestError } from '../support/errors.ts'
import { bridgeRequest, runRequest } from './bridge-request.ts'
import { disturbRequest } from './disturb-request.ts'
import { startServers } from './local-servers.ts'
import { withLocatedErrors } from './locate-errors.ts'
import { startLocalContainer } from './start-local-container.ts'

/** The bridges of a suite, as its tests start them. Disposal ends those that the tests have not ended, the last one first. */
export interface TestBridges extends AsyncDisposable {
  bridge(workload: string, options: BridgeOptions): Promise<Bridge>
  run(options: RunOptions): Promise<Member>
  disturb(workload: string, options: DisturbOptions): Promise<DisturbedWorkload>
  cut(workloads: Cut['workloads'], options?: CutOptions): Promise<Cut>
  /** What the servers in this process have received since this was last called. The last ones only. */
  requests(): readonly RequestRecord[]
}

/** Requests that are remembered for reports, and characters of the URL of each. */
const limits = { requests: 500, url: 2_000 }

/** @param folder of the test file: paths are relative to it */
export function createTestBridges({ bridges, signal }: Pick<HeldLease, 'bridges' | 'signal'>, folder: string): TestBridges {
  const owned = new AsyncDisposableStack()
  const requests: RequestRecord[] = []
  const remember = (workload: string, { method, url }: ReceivedRequest) => {
    requests.push({ at: Date.now(), workload, method, url: url.slice(0, limits.url) })
    if (requests.length > limits.requests) requests.shift()
  }
  const own = (cleanup: AsyncDisposableStack): AsyncDisposable => {
    // The suite may have ended meanwhile.
    signal.throwIfAborted()
    return owned.use(cleanup.move())
  }
  const start = (options: LocalContainerOptions, id: string, member: OpenMember, what: string) =>
    startLocalContainer(options, { member, folder, what, bringFiles: (container) => bridges.bringFiles(id, container, signal) })

  return {
    requests: () => requests.splice(0),
    async bridge(workload, options) {
      await using cleanup = new AsyncDisposableStack()
      const open = await bridges.openBridge(bridgeRequest(workload, options, folder), signal)
      const { id, member } = open
      cleanup.defer(() => bridges.closeBridge(id))
      const received = createReceived(workload)
      const onRequest = (each: ReceivedRequest) => {
        received.add(each)
        remember(workload, each)
      }
      const forwards = options.server && (await startServers(options.server, open, workload, onRequest, cleanup))
      const container = member && cleanup.use(await start(options as LocalContainerOptions, id, member, workload)).container
      // Last in, first out: the pods answer again before the local side goes.
      cleanup.defer(() => bridges.unsetBridge(id))
      await bridges.setBridge(id, { forwards, container: container?.getId() }, signal)
      const ends = own(cleanup)
      return withLocatedErrors({
        id,
        workload,
        ports: portsOf(forwards ?? open.ports),
        env: () => bridges.replacedEnv(id),
        root: open.root,
        container,
        received: received.all,
        expectLocal: (expected = {}, { timeout = 1_000 } = {}) => received.expect(expected, timeout),
        address: (port) => publishedAddress(member, port),
        pods: () => bridges.bridgedPods(id),
        output: () => bridges.bridgeOutput(id),
        problems: () => bridges.bridgeProblems(id),
        [Symbol.asyncDispose]: () => ends[Symbol.asyncDispose](),
      })
    },
    async run(options) {
      await using cleanup = new AsyncDisposableStack()
      const { id, member } = await bridges.openRun(runRequest(options, folder), signal)
      cleanup.defer(() => bridges.closeBridge(id))
      const { container } = cleanup.use(await start(options, id, member, 'cluster.run'))
      await bridges.setBridge(id, { container: container.getId() }, signal)
      const ends = own(cleanup)
      return { container, address: (port) => publishedAddress(member, port), [Symbol.asyncDispose]: () => ends[Symbol.asyncDispose]() }
    },
    async disturb(workload, options) {
      await using cleanup = new AsyncDisposableStack()
      const { id, ports } = await bridges.openBridge(disturbRequest(workload, options), signal)
      cleanup.defer(() => bridges.closeBridge(id))
      await bridges.setBridge(id, {}, signal)
      const ends = own(cleanup)
      return { workload, ports: portsOf(ports), [Symbol.asyncDispose]: () => ends[Symbol.asyncDispose]() }
    },
    async cut(workloads, options = {}) {
      checkKeys('cut', options, allKeys<CutOptions>({ namespace: true }))
      await using cleanup = new AsyncDisposableStack()
      const id = await bridges.openCut({ workloads, namespace: options.namespace }, signal)
      cleanup.defer(() => bridges.closeCut(id))
      const ends = own(cleanup)
      return { workloads, [Symbol.asyncDispose]: () => ends[Symbol.asyncDispose]() }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function portsOf(mappings: readonly Pick<OpenBridge['ports'][number], 'port'>[]): readonly number[] {
  return [...new Set(mappings.map(({ port }) => port))]
}

function publishedAddress(member: OpenMember | undefined, port: number): { readonly host: string; readonly port: number } {
  const published = member?.published[port]
  if (published) return { host: '127.0.0.1', port: published }
  throw new ClusterTestError('ERR_BRIDGE_PORT_NOT_FOUND', `Port ${port} of the local container is not published.`, {
    hint: `Set publish: [${port}].`,
  })
}
