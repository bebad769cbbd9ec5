import type { BridgeCall, BridgeResults } from '../bridge/requests.ts'
import type { ServiceAddress } from '../cluster/network/gateway.ts'
import type { LeaseRequest } from '../engine/request.ts'
import type { KubeObject } from '../kube/types.ts'
import type { RequestRecord } from '../report/model.ts'
import type { SerializedClusterTestError } from '../support/errors.ts'

/** How workers find the broker: vitest's `provide` carries it. */
export interface BrokerAddress {
  readonly port: number
  /** Whoever does not know it is not served. */
  readonly token: string
  /** Whether vitest writes a report for JUnit, which takes annotations of tests as properties. */
  readonly junit: boolean
  /** Milliseconds for the teardown of a suite. */
  readonly teardownTimeout: number
}

/** What a worker knows of its cluster. */
export interface Lease {
  readonly name: string
  readonly namespace: string
  /** Whether other suites are in the cluster too. */
  readonly isShared: boolean
  readonly kubeconfigPath: string
  readonly addresses: readonly ServiceAddress[]
  /** Where the bundle of the suite is written when a test fails; undefined when no reports are written. */
  readonly bundle: string | undefined
  /** What the set-up took: `create 9.5 s, import 1.0 s`. */
  readonly setup: string
}

/** One connection is one lease: when it ends, however it ends, the cluster goes. */
export type WorkerMessage =
  | { readonly type: 'lease'; readonly token: string; readonly request: LeaseRequest }
  | { readonly type: 'apply'; readonly manifests: string | KubeObject | readonly (string | KubeObject)[]; readonly timeout: number }
  | { readonly type: 'bridge'; readonly call: BridgeCall }
  /** Has no answer: the next test need not wait until everything is written down. */
  | { readonly type: 'test-failed'; readonly requests: readonly RequestRecord[] }
  /** `failed`: a test of the suite did. */
  | { readonly type: 'release'; readonly failed: boolean; readonly requests: readonly RequestRecord[] }

/** What a worker sends: the answer to it has the same id. What `id` is 0 has no answer. */
export type WorkerCall = WorkerMessage & { readonly id: number }

export type BrokerAnswer = BrokerMessage & { readonly id: number }

export type BrokerMessage =
  | { readonly type: 'lease'; readonly lease: Lease }
  | { readonly type: 'bridge'; readonly result: BridgeResults[keyof BridgeResults] }
  | { readonly type: 'released' }
  | { readonly type: 'failed'; readonly error: SerializedClusterTestError }
