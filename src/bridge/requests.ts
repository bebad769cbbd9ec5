import type { SentMatch } from './junction/match.ts'
import type { PortMapping } from './rules/ports.ts'
import type { Forward } from './rules/rules.ts'
import type { EnvOptions } from './side/env.ts'

type Env = Readonly<Record<string, string>>

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
  /** Whether it gets the files that are mounted into the replaced container. */
  readonly files: boolean
  /** TCP ports to publish on loopback of the host. */
  readonly publish: readonly number[]
}

/** What answers in place of the pods, as far as the owner of the cluster has to know. */
export type LocalSide =
  | { readonly kind: 'server'; readonly env: EnvOptions; readonly files: boolean }
  | ({ readonly kind: 'member' } & MemberRequest)
  | { readonly kind: 'container'; readonly id: string; readonly env: EnvOptions }
  | {
      readonly kind: 'command'
      readonly command: readonly string[]
      readonly cwd: string
      readonly env: EnvOptions
      readonly files: boolean
    }

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
  /** Tar archives of the replaced container's files, base64. */
  readonly archives: readonly string[]
}

export interface OpenBridge {
  readonly id: string
  readonly ports: readonly PortMapping[]
  /** Address of the host in the cluster's Docker network. */
  readonly gateway: string
  /** The same for IPv6; undefined where the cluster has none. */
  readonly gateway6: string | undefined
  readonly member?: OpenMember | undefined
  /** Folder on the host with the files of the replaced container. */
  readonly root?: string | undefined
}

/**
 * The messages between a suite and the owner of its cluster. A bridge is opened first, which changes nothing for the
 * pods; it is set when the local side is there.
 */
export type BridgeCall =
  | { readonly call: 'open'; readonly request: BridgeRequest }
  | {
      readonly call: 'run'
      readonly request: MemberRequest & { readonly namespace?: string | undefined; readonly containerName?: string | undefined }
    }
  /** `forwards` for an in-process server, `container` for a local container. */
  | { readonly call: 'set'; readonly id: string; readonly forwards?: readonly Forward[]; readonly container?: string }
  /** The environment of a container, without a bridge. */
  | {
      readonly call: 'env'
      readonly workload: string
      readonly namespace?: string | undefined
      readonly containerName?: string | undefined
      readonly env: EnvOptions
    }
  /** The environment of the container that a bridge replaces. */
  | { readonly call: 'replaced-env'; readonly id: string }
  | { readonly call: 'unset'; readonly id: string }
  | { readonly call: 'close'; readonly id: string }
  | { readonly call: 'pods'; readonly id: string }
  | { readonly call: 'output'; readonly id: string }
  | { readonly call: 'problems'; readonly id: string }

/** The answer to each call. */
export interface BridgeResults {
  readonly open: OpenBridge
  readonly run: { readonly id: string; readonly member: OpenMember }
  readonly set: null
  readonly env: Env
  readonly 'replaced-env': Env
  readonly unset: null
  readonly close: null
  readonly pods: readonly string[]
  readonly output: string
  readonly problems: readonly string[]
}
