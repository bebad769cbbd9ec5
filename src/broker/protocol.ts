import type { BridgeCall, BridgeResults } from '../bridge/requests.ts'
import type { BridgedWorkload } from '../bridge/stand-in.ts'
import type { ServiceAddress } from '../cluster/gateway.ts'
import type { KubeObject } from '../kube/types.ts'
import type { SuiteClusterOptions } from '../stack/options.ts'
import type { SerializedClusterTestError } from '../support/errors.ts'

/** How workers find the broker: vitest's `provide` carries it. */
export interface BrokerAddress {
  readonly port: number
  /** Whoever does not know it is not served. */
  readonly token: string
}

export interface LeaseRequest {
  /** Name of the suite. */
  readonly suite: string
  /** Absolute path of the test file. */
  readonly file: string
  /** Absolute path of the test file's folder. */
  readonly folder: string
  readonly options: SuiteClusterOptions
  /** What is bridged with the suite: its image may not exist yet. */
  readonly bridged: readonly BridgedWorkload[]
}

/** What a worker knows of its cluster. */
export interface Lease {
  readonly name: string
  readonly namespace: string
  /** Whether other suites are in the cluster too. */
  readonly isShared: boolean
  readonly kubeconfigPath: string
  readonly addresses: readonly ServiceAddress[]
}

/** One connection is one lease: when it ends, however it ends, the cluster goes. */
export type WorkerMessage =
  | { readonly type: 'lease'; readonly token: string; readonly request: LeaseRequest }
  | { readonly type: 'apply'; readonly manifests: string | KubeObject | readonly (string | KubeObject)[]; readonly timeout: number }
  | { readonly type: 'bridge'; readonly call: BridgeCall }
  /** `failed`: a test of the suite did. */
  | { readonly type: 'release'; readonly failed: boolean }

/** The answer to each message of a worker, in order. */
export type BrokerMessage =
  | { readonly type: 'lease'; readonly lease: Lease }
  | { readonly type: 'bridge'; readonly result: BridgeResults[keyof BridgeResults] }
  | { readonly type: 'released' }
  | { readonly type: 'failed'; readonly error: SerializedClusterTestError }
