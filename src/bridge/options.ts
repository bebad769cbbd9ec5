import type { Socket as UdpSocket } from 'node:dgram'
import type { RequestListener, Server as HttpServer } from 'node:http'
import type { Http2SecureServer, Http2Server } from 'node:http2'
import type { Server as NetServer } from 'node:net'

import type { GenericContainer, StartedTestContainer } from '../docker/container-types.ts'
import type { ExpectedRequest, RequestMatch } from './junction/match.ts'
import type { EnvOptions } from './side/env.ts'

/**
 * Anything that takes connections (`http`, `https`, `http2`, `net`, `tls`), requests, as an Express app or a plain function
 * does, or datagrams (`dgram`).
 */
export type LocalServer = TcpServer | UdpSocket

export type TcpServer = HttpServer | Http2Server | Http2SecureServer | NetServer | RequestListener

interface TargetOptions {
  /** Namespace of the workload. @default the suite's */
  readonly namespace?: string | undefined
  /** Container of the pods to replace. @default the annotated one, the only one, or the only one with ports */
  readonly containerName?: string | undefined
  /**
   * Who answers kubelet's probes for the bridged ports: the original container, so that a debugger at a breakpoint never
   * restarts a pod or takes it out of its Services, or the local side.
   * @default 'original'
   */
  readonly probes?: 'original' | 'local' | undefined
  /**
   * Only requests (HTTP/1, HTTP/2, gRPC, the start of a websocket) that fit go to the local side, all others to the
   * original, also on one connection; an array is for requests that fit one of it. TCP ports only.
   * @default all traffic of any protocol
   * @example match: { path: '/api/*', headers: { 'x-user': 'ann' } }
   */
  readonly match?: RequestMatch | readonly RequestMatch[] | undefined
  /** The local side gets copies of what comes, and its answers go nowhere: the original answers. TCP ports only. @default false */
  readonly mirror?: boolean | undefined
  /** Milliseconds within which the local side has to listen. @default 30_000 */
  readonly timeout?: number | undefined
}

interface PortOptions {
  /** Ports of the replaced container, by number or name, to ports of the local side: `{ http: 3000 }`. @default all that the container declares and that Services send to it, to the same numbers */
  readonly ports?: Readonly<Record<string, number>> | undefined
}

interface FromPodOptions {
  /** TCP ports of the replaced pod's loopback, on which its sidecars listen, that the local side reaches on its own 127.0.0.1: `[5432]`. @default [] */
  readonly fromPod?: readonly number[] | undefined
}

/** A container that is a member of the cluster. */
export interface LocalContainerOptions {
  /** Image; Docker's, or to pull. */
  readonly image?: string | undefined
  /** Folder with a Dockerfile, relative to the test file, to build the image from. */
  readonly build?: string | undefined
  /** Path of the Dockerfile in the folder. @default 'Dockerfile' */
  readonly dockerfile?: string | undefined
  /** Stage of the Dockerfile to stop at. @default the last one */
  readonly target?: string | undefined
  /** Values for the Dockerfile's ARGs. */
  readonly buildArgs?: Readonly<Record<string, string>> | undefined
  /** Arguments, in place of the image's `CMD`. @default the image's */
  readonly command?: readonly string[] | undefined
  /** Program, in place of the image's `ENTRYPOINT`. @default the image's */
  readonly entrypoint?: readonly string[] | undefined
  /** Folders on this machine, relative to the test file, to paths in the container: `{ './src': '/app/src' }`. @default {} */
  readonly mount?: Readonly<Record<string, string>> | undefined
  /** Which variables of the replaced container it gets. */
  readonly env?: EnvOptions | undefined
  /** Whether to copy what is mounted into the replaced container: ConfigMaps, Secrets, tokens (these three also when they change), and volumes as they are at the start, of which large ones (more than 100 MB) only with `'all'`. @default true */
  readonly files?: boolean | 'all' | undefined
  /** TCP ports of the container to publish on loopback of this machine. @default [] */
  readonly publish?: readonly number[] | undefined
  /** Anything else that testcontainers can do: `(container) => container.withWaitStrategy(Wait.forLogMessage('ready'))`. */
  readonly configure?: ((container: GenericContainer) => GenericContainer) | undefined
}

/** The code under test runs in a container, from an image or a Dockerfile. */
export interface ContainerBridgeOptions extends TargetOptions, PortOptions, FromPodOptions, LocalContainerOptions {
  readonly container?: never
  readonly server?: never
}

/** The code under test runs in a container that somebody else started: its id, its name, or testcontainers' object. */
export interface RunningContainerBridgeOptions extends TargetOptions, PortOptions {
  /** A container that somebody else started: its id, its name, or testcontainers' object. */
  readonly container: string | Pick<StartedTestContainer, 'getId'>
  readonly fromPod?: never
  /** What `bridge.env()` has; the container keeps its own. */
  readonly env?: EnvOptions | undefined
  readonly files?: never
  readonly image?: never
  readonly build?: never
  readonly server?: never
  readonly command?: never
}

/** The code under test runs in the test's own process: breakpoints, coverage and mocks of the clock work. */
export interface ServerBridgeOptions extends TargetOptions, FromPodOptions {
  /** For the container's only port (or the one named `http`), or one for each port: `{ http: app, 9090: metrics }`. The servers need not listen, and UDP sockets need not be bound. */
  readonly server: LocalServer | Readonly<Record<string, LocalServer>>
  /** What `bridge.env()` has; `process.env` stays as it is. */
  readonly env?: EnvOptions | undefined
  /** Whether to copy what is mounted into the replaced container to the folder `bridge.root`, as for `command`. @default false */
  readonly files?: boolean | 'all' | undefined
  readonly ports?: never
  readonly image?: never
  readonly build?: never
  readonly container?: never
  readonly command?: never
}

/** The code under test runs as a process on this machine. */
export interface CommandBridgeOptions extends TargetOptions, PortOptions, FromPodOptions {
  /** Program and arguments, no shell: `['node', 'server.ts']`. */
  readonly command: readonly string[]
  /** Relative to the test file. @default the test file's folder */
  readonly cwd?: string | undefined
  /** Which variables of the replaced container it gets. */
  readonly env?: EnvOptions | undefined
  /**
   * Whether to copy what is mounted into the replaced container to a folder on this machine, which the variable
   * VITEST_KUBERNETES_ROOT and `bridge.root` name: ConfigMaps, Secrets, tokens (these three also when they change), and
   * volumes as they are at the start, of which large ones (more than 100 MB) only with `'all'`. The folder goes with the bridge.
   * @default true
   */
  readonly files?: boolean | 'all' | undefined
  readonly image?: never
  readonly build?: never
  readonly container?: never
  readonly server?: never
}

/** What answers in place of a workload. */
export type BridgeOptions = ContainerBridgeOptions | RunningContainerBridgeOptions | ServerBridgeOptions | CommandBridgeOptions

/** What answers in place of a workload as soon as the suite runs. */
export type SuiteBridgeOptions = BridgeOptions & {
  /**
   * Whether the suite's manifests run the workload with a container that does nothing in place of its own, with the same
   * environment, files and ports: for an image that does not exist yet, so that nothing waits for it to be built and imported.
   * @default true if the manifest names the image that is bridged (`build` or `image`) and the option `images` does not bring it
   */
  readonly standIn?: boolean | undefined
}

export interface RunOptions extends LocalContainerOptions {
  /** Namespace for the DNS search list. @default the suite's */
  readonly namespace?: string | undefined
  /** Container of the workload in `env.from`. @default the annotated one, the only one, or the only one with ports */
  readonly containerName?: string | undefined
}

/** A request that the local side has answered, or is answering. */
export interface ReceivedRequest {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
}

/** The traffic of a workload is answered by the local side as long as this lives. */
export interface Bridge extends AsyncDisposable {
  readonly id: string
  /** `deployment/orders` */
  readonly workload: string
  /** Ports of the replaced container. */
  readonly ports: readonly number[]
  /** Environment of the replaced container, as the option `env` selects it. Where no pod runs it, only what `env.set` sets. */
  env(): Promise<Readonly<Record<string, string>>>
  /** Folder with the files of the replaced container at its own paths, for `command` and `server` with `files`. */
  readonly root: string | undefined
  /** The local container, when there is one: its logs, exec, copy and restart functions. */
  readonly container: StartedTestContainer | undefined
  /** Requests that passed through the server in this process, in order. */
  readonly received: readonly ReceivedRequest[]
  /**
   * Resolves to the first request that passed through the server in this process and matches, and waits for it if need be.
   * @throws ClusterTestError `ERR_BRIDGE_NOT_RECEIVED` with what came instead
   */
  expectLocal(expected?: ExpectedRequest, options?: { readonly timeout?: number }): Promise<ReceivedRequest>
  /** Host and port on this machine of a published port. */
  address(port: number): { readonly host: string; readonly port: number }
  /** UIDs of the pods that are bridged at this moment. */
  pods(): Promise<readonly string[]>
  /** What the process on the host has printed. */
  output(): Promise<string>
  /**
   * What went wrong since it was set, in the words that the terminal shows: the process on the host has ended, a node has
   * stopped, pods have come that answer on other ports.
   */
  problems(): Promise<readonly string[]>
}

/** What `cluster.disturb` does to requests of HTTP/1 and HTTP/2, gRPC included, and to connections of other TCP protocols. */
export interface DisturbOptions {
  /** Namespace of the workload. @default the suite's */
  readonly namespace?: string | undefined
  /** Container of the pods that answers. @default the annotated one, the only one, or the only one with ports */
  readonly containerName?: string | undefined
  /** TCP ports of that container, by number or name. @default all of them */
  readonly ports?: readonly (number | string)[] | undefined
  /**
   * Which requests; an array is for requests that fit one of it. Other protocols than HTTP are not disturbed then.
   * @default all requests, and all connections of other protocols
   * @example match: { method: 'POST', path: '/stock/*' }
   */
  readonly match?: RequestMatch | readonly RequestMatch[] | undefined
  /** Milliseconds that a request waits before it goes on; a connection of another protocol before it is made. @default 0 */
  readonly delay?: number | undefined
  /** Answers requests with this status and no body, in place of the workload. It means nothing for other protocols. */
  readonly status?: number | undefined
  /** Nobody answers. What hangs is reset when the disturbance ends. @default false */
  readonly hang?: boolean | undefined
  /**
   * Breaks the connection (of HTTP/2, the stream) instead of an answer, or after so many bytes of its body:
   * `{ after: 100 }`. Of other protocols, after so many bytes that the workload sends on the connection.
   * @default false
   */
  readonly reset?: boolean | { readonly after: number } | undefined
  /** Bytes per second at which the body of each answer comes, or what the workload sends on a connection of another protocol. @default unlimited */
  readonly bandwidth?: number | undefined
}

/** Requests to a workload are disturbed as long as this lives. */
export interface DisturbedWorkload extends AsyncDisposable {
  /** `deployment/orders` */
  readonly workload: string
  /** Ports of the container that are disturbed. */
  readonly ports: readonly number[]
}

export interface CutOptions {
  /** Namespace of both workloads. @default the suite's */
  readonly namespace?: string | undefined
}

/** No packet goes between two workloads as long as this lives. */
export interface Cut extends AsyncDisposable {
  /** `['deployment/orders', 'statefulset/db']` */
  readonly workloads: readonly [string, string]
}

/** A local container that is a member of the cluster and replaces nothing. */
export interface Member extends AsyncDisposable {
  readonly container: StartedTestContainer
  /** Host and port on this machine of a published port. */
  address(port: number): { readonly host: string; readonly port: number }
}

/** Bridges that are set up with the suite, by workload, and end with it. */
export interface SuiteBridges<Bridged extends string = string> {
  /**
   * Bridges that last as long as the suite, by workload.
   * @default {}
   * @example bridge: { 'deployment/orders': { build: './orders' } }
   */
  readonly bridge?: Readonly<Record<Bridged, SuiteBridgeOptions>> | undefined
}
