import type { Agent } from 'supertest'

import type { Bridge, BridgeOptions, Cut, CutOptions, DisturbOptions, DisturbedWorkload, Member, RunOptions } from '../bridge/options.ts'
import type { EnvOptions } from '../bridge/side/env.ts'
import type { ExecResult } from '../kube/exec-result.ts'
import type { KubeObject } from '../kube/object.ts'
import type { ServiceConnections } from '../stack/services/connection.ts'

/** A name that an editor completes, and any other. */
export type Known<Names extends string> = Names | (string & {})

/** Which namespace a workload is in. */
export interface InNamespace {
  /** Namespace of the workload. @default the suite's, `default` */
  readonly namespace?: string
}

export interface ExecOptions extends InNamespace {
  /** The container that runs the command. @default the annotated one, or the first */
  readonly container?: string
  /** Written to the command's standard input. */
  readonly input?: string
  /** Whether an exit code other than 0 rejects. @default true */
  readonly reject?: boolean
  /** Milliseconds until the command has to end. @default 60_000 */
  readonly timeout?: number
}

export interface ClusterLogOptions extends InNamespace {
  /** Whose log. @default the annotated one, or the first */
  readonly container?: string
  /** Last lines only, of each pod. @default all */
  readonly tail?: number
  /** Of the container's run before its last restart. @default false */
  readonly previous?: boolean
}

export interface ChangePodsOptions extends InNamespace {
  /** Milliseconds until the pods have to be ready, and others gone. @default 120_000 */
  readonly timeout?: number
}

export interface ClusterEnvOptions extends InNamespace, Omit<EnvOptions, 'from'> {
  /** Container whose environment is read. @default the annotated one, the only one, or the only one with ports */
  readonly containerName?: string
}

/** Workloads that the options of a suite name, and its services, for editors to complete. */
type WorkloadOf<Named extends string, Services> = Known<Named | Extract<keyof Services, string>>

type ServiceOf<Services> = Known<Extract<keyof Services, string>>

/** The cluster of a suite, as its tests see it. */
export interface TestCluster<Named extends string = never, Services extends object = object> {
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
   * Base URL of a Service from this machine: `http://127.0.0.1:…`, `https` for a port 443 or one named `https…`. Or of an Ingress
   * or a route of the Gateway API: `http://shop.localhost:…`, `https` where it is served with TLS. Their hosts are known in the test's process.
   * @param service `name` or `name.namespace`; `ingress/name`, `httproute/name`, `grpcroute/name` or `tlsroute/name`, and the same with the namespace
   * @param port number or name of the Service's port; may be left out if it has one only, or one named `http`. Of an Ingress the
   * host, by default its first one
   * @throws ClusterTestError `ERR_SERVICE_NOT_FOUND` with the ones that exist
   * @example cluster.url('ingress/web') // http://shop.localhost:4000
   */
  url(service: ServiceOf<Services>, port?: number | string): string
  /** Host and port of a Service from this machine, for anything that is not HTTP. Takes and throws what `url` does. */
  address(service: ServiceOf<Services>, port?: number | string): { readonly host: string; readonly port: number }
  /**
   * Runs one SQL statement on a PostgreSQL service or workload, as the user and on the database that its env names.
   * @example await cluster.sql('statefulset/postgres', 'select quantity from stock where sku = $1', ['A-1'])
   */
  sql<Row extends object = Record<string, unknown>>(
    workload: WorkloadOf<Named, Services>,
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
  reset(store?: WorkloadOf<Named, Services>, options?: { readonly timeout?: number }): Promise<void>
  /**
   * Runs a command in the first ready pod of a workload.
   * @throws ClusterTestError `ERR_KUBE_EXEC_FAILED` for an exit code other than 0, unless `reject` is false
   * @example const { stdout } = await cluster.exec('deployment/redis', ['redis-cli', 'dbsize'])
   */
  exec(workload: WorkloadOf<Named, Services>, command: readonly string[], options?: ExecOptions): Promise<ExecResult>
  /** The log of all pods of a workload, one after the other. */
  logs(workload: WorkloadOf<Named, Services>, options?: ClusterLogOptions): Promise<string>
  /** Reads a workload as it is now. */
  get<T extends object = KubeObject>(workload: WorkloadOf<Named, Services>, options?: InNamespace): Promise<T>
  /** Applies more manifests (as the suite's option takes them) and resolves when they are ready. `timeout` in milliseconds. @default { timeout: 120_000 } */
  apply(manifests: string | KubeObject | readonly (string | KubeObject)[], options?: { readonly timeout?: number }): Promise<void>
  /**
   * Deletes all pods of a workload at once, as a node that fails does, and resolves when as many others are ready and its
   * Services answer. What is on volumes stays; a service with `storage: 'throwaway'` starts empty.
   * @param workload a service of the stack, or `kind/name`: a Deployment, StatefulSet, DaemonSet, ReplicaSet or ReplicationController
   * @throws ClusterTestError `ERR_WORKLOAD_NOT_READY` after `timeout` milliseconds, `ERR_KUBE_NOT_FOUND` with the workloads that exist
   * @example await cluster.restart('deployment/orders')
   */
  restart(workload: WorkloadOf<Named, Services>, options?: ChangePodsOptions): Promise<void>
  /**
   * Changes how many pods a workload has, and resolves when they are ready and all others are gone. Disposal brings back as
   * many as there were.
   * @param workload a service of the stack, or `kind/name`: a Deployment, StatefulSet, ReplicaSet or ReplicationController
   * @throws ClusterTestError as `restart` does
   * @example await using down = await cluster.scale('deployment/inventory', 0)
   */
  scale(workload: WorkloadOf<Named, Services>, replicas: number, options?: ChangePodsOptions): Promise<AsyncDisposable>
  /**
   * Answers the traffic of a workload by the code under test: a local container, a process on this machine, or a server in
   * this process. When it resolves the next request goes there, when its disposal resolves the next one goes to the pods.
   * No object in the cluster changes. What a test does not dispose goes with the suite.
   * @param workload `kind/name`, also `service/name`
   * @throws ClusterTestError `ERR_BRIDGE_…`, `ERR_KUBE_NOT_FOUND` with the workloads that exist
   * @example await using bridge = await cluster.bridge('deployment/orders', { server: app })
   */
  bridge(workload: WorkloadOf<Named, Services>, options: BridgeOptions): Promise<Bridge>
  /**
   * Reads the environment of a workload's container, byte for byte: for a server that takes its settings from it, before it
   * is built. What `include`, `exclude` and `set` do they do for bridges too.
   * @throws ClusterTestError `ERR_BRIDGE_NO_PODS` when none of its pods runs, `ERR_KUBE_NOT_FOUND` with the workloads that exist
   * @example const { DATABASE_URL } = await cluster.env('deployment/orders')
   */
  env(workload: WorkloadOf<Named, Services>, options?: ClusterEnvOptions): Promise<Readonly<Record<string, string>>>
  /**
   * Starts a local container that is a member of the cluster and replaces nothing: Services and pods can be reached from it by name and address.
   * @example await using shell = await cluster.run({ image: 'postgres:17', env: { from: 'deployment/orders' } })
   */
  run(options: RunOptions): Promise<Member>
  /**
   * Makes a workload slow, failing, half-answering or silent for whoever calls it: its neighbours, `request`, and code that
   * is bridged. Request by request, whether the pods answer or a bridge does; no object changes, and kubelet's probes are not
   * disturbed. When it resolves the next request is disturbed, when its disposal resolves the next one is not.
   * @param workload `kind/name`, also `service/name`
   * @throws ClusterTestError `ERR_OPTIONS_INVALID`, `ERR_BRIDGE_…`, `ERR_KUBE_NOT_FOUND` with the workloads that exist
   * @example await using slow = await cluster.disturb('deployment/inventory', { match: { path: '/stock/*' }, delay: 3_000 })
   */
  disturb(workload: WorkloadOf<Named, Services>, options: DisturbOptions): Promise<DisturbedWorkload>
  /**
   * Cuts the network between two workloads: no packet goes from the pods of one to those of the other, in either direction and of any
   * protocol, as if a cable were pulled. Nobody is told: whoever calls waits until its own time is over. Both reach everybody else, and
   * are reached by everybody else. When it resolves the next packet is dropped, also of open connections; when its disposal resolves
   * the next one passes, and connections that have not given up go on.
   * @param workload a service of the stack, or `kind/name`, also `service/name`
   * @throws ClusterTestError `ERR_OPTIONS_INVALID` for workloads that share pods, `ERR_KUBE_NOT_FOUND` with the workloads that exist,
   * `ERR_BRIDGE_HOST_NETWORK` for pods that have the addresses of their nodes
   * @example await using cut = await cluster.cut('deployment/orders', 'statefulset/db')
   */
  cut(workload: WorkloadOf<Named, Services>, other: WorkloadOf<Named, Services>, options?: CutOptions): Promise<Cut>
}

/** supertest against a Service, an Ingress or an HTTPRoute: `request('orders').get('/healthz')`, `request('ingress/web').get('/cart')`. Takes and throws what `cluster.url` does. */
export type RequestService<Services extends object = object> = (service: ServiceOf<Services>, port?: number | string) => Agent
