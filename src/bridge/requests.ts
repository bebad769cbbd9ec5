import type { SentDisturbance } from './junction/disturbance.ts'
import type { SentMatch } from './junction/match.ts'
import type { PortMapping } from './rules/ports.ts'
import type { Forward } from './rules/rules.ts'
import type { EnvOptions } from './side/env.ts'

type Env = Readonly<Record<string, string>>

/** Whether the local side gets the files that are mounted into the replaced container; large volumes only with `all`. */
export type FilesOption = boolean | 'all'

/** How to build an image, as the option `images` of a suite takes it. */
interface Build {
  readonly build: string
  readonly dockerfile?: string | undefined
  readonly target?: string | undefined
  readonly buildArgs?: Readonly<Record<string, string>> | undefined
}

/** A local container before it is created. */
export interface MemberRequest {
  readonly image: string | Build
  readonly env: EnvOptions
  readonly files: FilesOption
  /** Absolute paths of what is mounted into it. */
  readonly mounts: readonly string[]
  /** TCP ports to publish on loopback of the host. */
  readonly publish: readonly number[]
}

/** What answers in place of the pods, as far as the owner of the cluster has to know. */
export type LocalSide =
  | { readonly kind: 'server'; readonly env: EnvOptions; readonly files: FilesOption }
  | ({ readonly kind: 'member' } & MemberRequest)
  | { readonly kind: 'container'; readonly id: string; readonly env: EnvOptions }
  | {
      readonly kind: 'command'
      readonly command: readonly string[]
      readonly cwd: string
      readonly env: EnvOptions
      readonly files: FilesOption
    }
  /** Nothing answers: what comes is disturbed on its way. */
  | { readonly kind: 'disturbance'; readonly env: EnvOptions; readonly disturbance: SentDisturbance }

export interface BridgeRequest {
  readonly workload: string
  readonly namespace?: string | undefined
  readonly containerName?: string | undefined
  readonly ports?: Readonly<Record<string, number>> | undefined
  readonly probes: 'original' | 'local'
  /** Milliseconds that the local side has to listen. */
  readonly timeout: number
  /** Which requests it is for; undefined for all. */
  readonly match?: readonly SentMatch[] | undefined
  /** Whether it gets copies, and others answer. */
  readonly mirror: boolean
  /** TCP ports of the pods' loopback to bring to the local side's. */
  readonly fromPod: readonly number[]
  readonly side: LocalSide
}

/** What the local container is to be created with, and what joins the cluster for it. */
export interface OpenMember {
  readonly holder: string
  readonly address: string
  readonly address6: string | undefined
  readonly published: Readonly<Record<number, number>>
  /** Of the pod that the environment comes from, if that names it: the local container may bind to it. */
  readonly podAddress?: string | undefined
  readonly image: string
  readonly env: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
}

export interface OpenBridge {
  readonly id: string
  readonly ports: readonly PortMapping[]
  /** Where a server in the test process is to listen, on IPv4 first; none for what runs elsewhere. */
  readonly listenOn: readonly string[]
  readonly member?: OpenMember | undefined
  /** Folder on the host with the files of the replaced container. */
  readonly root?: string | undefined
}

/** A local container that replaces nothing. */
export interface RunRequest extends MemberRequest {
  readonly namespace?: string | undefined
  readonly containerName?: string | undefined
}

export interface OpenRun {
  readonly id: string
  readonly member: OpenMember
}

/** What answers, once it is there: an in-process server, or a local container. What the owner has started itself it knows. */
export interface StartedSide {
  /** Of a server. */
  readonly forwards?: readonly Forward[] | undefined
  /** Id of a local container. */
  readonly container?: string | undefined
}

export interface EnvRequest {
  readonly workload: string
  readonly namespace?: string | undefined
  readonly containerName?: string | undefined
  readonly env: EnvOptions
}

/** Between two workloads of a namespace. */
export interface CutRequest {
  readonly workloads: readonly [string, string]
  readonly namespace?: string | undefined
}

/**
 * What a suite asks of the owner of its cluster. A bridge is opened first, which changes nothing for the pods; it is set when
 * what answers is there. Calls run at the same time; those that open, set, unset and close one bridge in the order in which they come.
 */
export interface BridgeFunctions {
  openBridge(request: BridgeRequest, signal: AbortSignal): Promise<OpenBridge>
  openRun(request: RunRequest, signal: AbortSignal): Promise<OpenRun>
  /** Copies the files of the replaced container into a local container that has not started. */
  bringFiles(id: string, container: string, signal: AbortSignal): Promise<void>
  setBridge(id: string, side: StartedSide, signal: AbortSignal): Promise<void>
  unsetBridge(id: string): Promise<void>
  closeBridge(id: string): Promise<void>
  /** Resolves to the id of the cut, when the next packet is cut off. */
  openCut(request: CutRequest, signal: AbortSignal): Promise<string>
  /** Resolves when the next packet passes. */
  closeCut(id: string): Promise<void>
  /** The environment of a container, without a bridge. */
  readEnv(request: EnvRequest, signal: AbortSignal): Promise<Env>
  /** The environment of the container that a bridge replaces. */
  replacedEnv(id: string): Promise<Env>
  bridgedPods(id: string): Promise<readonly string[]>
  bridgeOutput(id: string): Promise<string>
  bridgeProblems(id: string): Promise<readonly string[]>
}
