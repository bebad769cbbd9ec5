import supertest, { type Agent } from 'supertest'

import type { Bridge, BridgeOptions, Member, RunOptions } from '../bridge/options.ts'
import { checkEnv } from '../bridge/side/check-env.ts'
import type { EnvOptions } from '../bridge/side/env.ts'
import type { HeldLease } from '../broker/client.ts'
import { chooseAddress } from '../cluster/network/choose-address.ts'
import type { ServiceAddress } from '../cluster/network/service-address.ts'
import { containerOf } from '../kube/choose-container.ts'
import { type KubeClient } from '../kube/client.ts'
import { type ExecResult, execInPod } from '../kube/exec.ts'
import { readPodLog } from '../kube/logs.ts'
import type { KubeObject } from '../kube/types.ts'
import { listPods, readWorkload } from '../kube/workload.ts'
import { connectDatabase, findDatabase } from '../seed/database.ts'
import { resetStores, resettable } from '../seed/reset.ts'
import type { StackOptions } from '../stack/options.ts'
import { workloadOf } from '../stack/services/check-services.ts'
import type { ServiceConnections } from '../stack/services/connection.ts'
import { withDeadline } from '../support/deadline.ts'
import { ClusterTestError } from '../support/errors.ts'
import { formatList } from '../support/format.ts'
import { bracketed } from '../support/ip-range.ts'
import { connectServices } from './connect-services.ts'
import type { TestBridges } from './test-bridges.ts'

/** A name that an editor completes, and any other. */
type Known<Names extends string> = Names | (string & {})

/** Which namespace a workload is in. */
export interface InNamespace {
  /** @default the suite's, `default` */
  readonly namespace?: string
}

export interface ExecOptions extends InNamespace {
  /** @default the annotated one, or the first */
  readonly container?: string
  /** Written to the command's standard input. */
  readonly input?: string
  /** Whether an exit code other than 0 rejects. @default true */
  readonly reject?: boolean
  /** Milliseconds. @default 60_000 */
  readonly timeout?: number
}

export interface ClusterLogOptions extends InNamespace {
  /** @default the annotated one, or the first */
  readonly container?: string
  /** Last lines only, of each pod. @default all */
  readonly tail?: number
  /** Of the container's run before its last restart. @default false */
  readonly previous?: boolean
}

export interface ClusterEnvOptions extends InNamespace, Omit<EnvOptions, 'from'> {
  /** @default the annotated one, the only one, or the only one with ports */
  readonly containerName?: string
}

/** The cluster of a suite, as its tests see it. */
export interface TestCluster<Seeded extends string = never, Services extends object = object> {
  /** k3d's name of the cluster. */
  readonly name: string
  /** Where objects live that name no namespace. */
  readonly namespace: string
  /** Absolute path of the cluster's kubeconfig, for kubectl and other tools: `kubectl --kubeconfig …`. */
  readonly kubeconfigPath: string
  /**
   * How to connect to the services of the option `services`, by name.
   * @example const client = new pg.Client(cluster.services.db.url)
   */
  readonly services: ServiceConnections<Services>
  /**
   * Base URL of a Service from this machine: `http://127.0.0.1:…`, `https` for a port 443 or one named `https…`.
   * @param service `name` or `name.namespace`
   * @param port number or name of the Service's port; may be left out if it has one only, or one named `http`
   * @throws ClusterTestError `ERR_SERVICE_NOT_FOUND` with the ones that exist
   */
  url(service: string, port?: number | string): string
  /** Host and port of a Service from this machine, for anything that is not HTTP. Takes and throws what `url` does. */
  address(service: string, port?: number | string): { readonly host: string; readonly port: number }
  /**
   * Runs one SQL statement on a PostgreSQL service or workload, as the user and on the database that its env names.
   * @example await cluster.sql('statefulset/postgres', 'select quantity from stock where sku = $1', ['A-1'])
   */
  sql<Row extends object = Record<string, unknown>>(
    workload: Known<Seeded | Extract<keyof Services, string>>,
    statement: string,
    values?: readonly unknown[],
    options?: InNamespace,
  ): Promise<Row[]>
  /**
   * Puts stores back to what they held before the first test: PostgreSQL, MariaDB, MySQL and Redis, each whole or not at all, with
   * the same next ids, and without closing anybody's connection. Tables that a test made or dropped are not its business.
   * @param store a service of the stack, or a workload that files were loaded into. @default all of them, at the same time
   * @throws ClusterTestError `ERR_SEED_RESET_FAILED`, and then nothing has changed
   * @example test.beforeEach(({ cluster }) => cluster.reset('db'))
   */
  reset(store?: Known<Seeded | Extract<keyof Services, string>>, options?: { readonly timeout?: number }): Promise<void>
  /**
   * Runs a command in the first ready pod of a workload.
   * @throws ClusterTestError `ERR_KUBE_EXEC_FAILED` for an exit code other than 0, unless `reject` is false
   * @example const { stdout } = await cluster.exec('deployment/redis', ['redis-cli', 'dbsize'])
   */
  exec(workload: string, command: readonly string[], options?: ExecOptions): Promise<ExecResult>
  /** The log of all pods of a workload, one after the other. */
  logs(workload: string, options?: ClusterLogOptions): Promise<string>
  /** Reads a workload as it is now. */
  get<T extends object = KubeObject>(workload: string, options?: InNamespace): Promise<T>
  /** Applies more manifests (as the suite's option takes them) and resolves when they are ready. `timeout` in milliseconds. @default { timeout: 120_000 } */
  apply(manifests: string | KubeObject | readonly (string | KubeObject)[], options?: { readonly timeout?: number }): Promise<void>
  /**
   * Answers the traffic of a workload by the code under test: a local container, a process on this machine, or a server in
   * this process. When it resolves the next request goes there, when its disposal resolves the next one goes to the pods.
   * No object in the cluster changes. What a test does not dispose goes with the suite.
   * @param workload `kind/name`, also `service/name`
   * @throws ClusterTestError `ERR_BRIDGE_…`, `ERR_KUBE_NOT_FOUND` with the workloads that exist
   * @example await using bridge = await cluster.bridge('deployment/orders', { server: app })
   */
  bridge(workload: string, options: BridgeOptions): Promise<Bridge>
  /**
   * Reads the environment of a workload's container, byte for byte: for a server that takes its settings from it, before it
   * is built. What `include`, `exclude` and `set` do they do for bridges too.
   * @throws ClusterTestError `ERR_BRIDGE_NO_PODS` when none of its pods runs, `ERR_KUBE_NOT_FOUND` with the workloads that exist
   * @example const { DATABASE_URL } = await cluster.env('deployment/orders')
   */
  env(workload: string, options?: ClusterEnvOptions): Promise<Readonly<Record<string, string>>>
  /**
   * Starts a local container that is a member of the cluster and replaces nothing: Services and pods can be reached from it by name and address.
   * @example await using shell = await cluster.run({ image: 'postgres:17', env: { from: 'deployment/orders' } })
   */
  run(options: RunOptions): Promise<Member>
}

/** supertest against a Service: `request('orders').get('/healthz')`. Takes and throws what `cluster.url` does. */
export type RequestService = (service: string, port?: number | string) => Agent

const raiseTimeout = 'Raise its option "timeout".'

export interface TestClusterParts {
  readonly held: HeldLease
  readonly kube: KubeClient
  readonly bridges: TestBridges
  /** Of Services, at this moment. */
  readonly addresses: () => readonly ServiceAddress[]
  readonly stack: StackOptions
}

export function createTestCluster<Seeded extends string>({ held, kube, bridges, addresses, stack }: TestClusterParts): TestCluster<Seeded> {
  const { name, namespace: suiteNamespace, kubeconfigPath } = held.lease
  const { services = {} } = stack
  const find = (service: string, port?: number | string) => findAddress(addresses(), suiteNamespace, service, port)

  return {
    name,
    namespace: suiteNamespace,
    kubeconfigPath,
    services: connectServices(services, find, suiteNamespace),
    url(service, port) {
      const found = find(service, port)
      const scheme = found.port === 443 || found.portName.startsWith('https') ? 'https' : 'http'
      return `${scheme}://${bracketed(found.host)}:${found.hostPort}`
    },
    address(service, port) {
      const { host, hostPort } = find(service, port)
      return { host, port: hostPort }
    },
    async sql<Row extends object>(
      workload: string,
      statement: string,
      values: readonly unknown[] = [],
      { namespace = suiteNamespace }: InNamespace = {},
    ) {
      const deadline = { limit: 30_000, code: 'ERR_SEED_FAILED', what: `To connect to the database of "${workload}"` } as const
      await using client = await withDeadline(deadline, async (signal) => {
        const options = { kube, namespace, addresses: addresses(), signal }
        return connectDatabase(await findDatabase(workloadOf(workload, services), options), signal)
      })
      return (await client.query<Row & Record<string, unknown>>(statement, [...values])).rows
    },
    async reset(store, { timeout = 60_000 } = {}) {
      const known = resettable(stack)
      const workload = store === undefined ? undefined : workloadOf(store, services)
      if (workload !== undefined && !known.includes(workload))
        throw new ClusterTestError('ERR_OPTIONS_INVALID', `"${store}" cannot be reset.`, {
          hint: `Services of PostgreSQL, MariaDB, MySQL and Redis can, and what the option "seed" loads files into: here ${formatList(known)}.`,
        })
      const deadline = { limit: timeout, code: 'ERR_SEED_RESET_FAILED', what: 'cluster.reset', hint: raiseTimeout } as const
      const meant = workload === undefined ? known : [workload]
      await withDeadline(deadline, (signal) => resetStores(meant, { kube, namespace: suiteNamespace, signal }))
    },
    async exec(workload, command, { container, input, namespace = suiteNamespace, reject = true, timeout = 60_000 } = {}) {
      const what = `Command "${command.join(' ')}" in ${workload}`
      const deadline = { limit: timeout, code: 'ERR_KUBE_EXEC_FAILED', what, hint: raiseTimeout } as const
      const result = await withDeadline(deadline, async (signal) => {
        const pod = await firstPod(namespace, workloadOf(workload, services))
        const target = {
          namespace,
          pod: pod.metadata!.name!,
          container: containerOf(pod, { wanted: container, workload, code: 'ERR_KUBE_NOT_FOUND' }),
        }
        return execInPod(kube, target, command, { input, signal })
      })
      if (result.exitCode === 0 || !reject) return result
      throw new ClusterTestError(
        'ERR_KUBE_EXEC_FAILED',
        `${what} ended with exit code ${result.exitCode}.\n${(result.stderr || result.stdout).trimEnd()}`,
        { hint: 'Pass { reject: false } to look at the result yourself.' },
      )
    },
    async logs(workload, { container, namespace = suiteNamespace, tail, previous } = {}) {
      const pods = await listPods(kube, namespace, workloadOf(workload, services))
      const texts = await Promise.all(
        pods.map((pod) =>
          readPodLog(kube, namespace, pod.metadata!.name!, {
            container: containerOf(pod, { wanted: container, workload, code: 'ERR_KUBE_NOT_FOUND' }),
            ...(tail === undefined ? {} : { tail }),
            ...(previous ? { previous } : {}),
          }),
        ),
      )
      return texts.join('')
    },
    get: async <T extends object>(workload: string, { namespace = suiteNamespace }: InNamespace = {}) =>
      (await readWorkload(kube, namespace, workload)) as unknown as T,
    apply: (manifests, { timeout = 120_000 } = {}) => held.apply(manifests, timeout),
    bridge: (workload, options) => bridges.bridge(workload, options),
    async env(workload, { namespace, containerName, ...env } = {}) {
      checkEnv('env', env)
      return held.bridges.readEnv({ workload, namespace, containerName, env }, held.signal)
    },
    run: (options) => bridges.run(options),
  }

  async function firstPod(namespace: string, workload: string) {
    const [pod] = await listPods(kube, namespace, workload)
    if (pod) return pod
    throw new ClusterTestError('ERR_KUBE_NOT_FOUND', `Workload "${workload}" has no pod.`, {
      hint: 'It may be scaled to zero, or its Job may not have started.',
    })
  }
}

export function createRequest(cluster: TestCluster): RequestService {
  return (service, port) => supertest(cluster.url(service, port))
}

/** Which address a name and a port mean. */
export function findAddress(
  addresses: readonly ServiceAddress[],
  defaultNamespace: string,
  service: string,
  port?: number | string,
): ServiceAddress {
  const [name, namespace = defaultNamespace] = service.split('.')
  const own = addresses.filter((address) => address.service === name && address.namespace === namespace)
  if (own.length === 0) {
    const names = [
      ...new Set(
        addresses.map((address) => (address.namespace === defaultNamespace ? address.service : `${address.service}.${address.namespace}`)),
      ),
    ]
    throw new ClusterTestError('ERR_SERVICE_NOT_FOUND', `There is no Service "${service}" with a TCP port in the cluster.`, {
      hint: `It has ${formatList(names)}.`,
    })
  }
  const found = chooseAddress(own, port)
  if (found) return found
  const ports = own.map((address) => (address.portName ? `${address.port} (${address.portName})` : String(address.port)))
  throw new ClusterTestError(
    'ERR_SERVICE_NOT_FOUND',
    port === undefined
      ? `Service "${service}" has several ports, and none is named "http": say which.`
      : `Service "${service}" has no TCP port ${port}.`,
    { hint: `It has ${ports.join(', ')}.` },
  )
}
