import type { BridgeFunctions } from '../bridge/requests.ts'
import type { LeaseRequest } from '../engine/request.ts'
import type { KubeObject } from '../kube/object.ts'
import type { RequestRecord } from '../report/model.ts'

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
  /** Whether it is a stack that was up before: functions among its seeds have run. */
  readonly isUp: boolean
  readonly kubeconfigPath: string
  /** Where the addresses of its Services are at every moment. */
  readonly addressesFile: string
  /** Where the bundle of the suite is written when a test fails; undefined when no reports are written. */
  readonly bundle: string | undefined
  /** What the set-up took: `create 9.5 s, import 1.0 s`. */
  readonly setup: string
}

export type ManifestSources = string | KubeObject | readonly (string | KubeObject)[]

/**
 * What a worker asks of the main process. One connection is one lease: when it ends, however it ends, the cluster goes. Calls
 * run at the same time, and each ends when its signal aborts or the connection ends.
 */
export interface LeaseFunctions extends BridgeFunctions {
  /** Comes first, and resolves when the stack is ready. */
  lease(request: LeaseRequest, signal: AbortSignal): Promise<Lease>
  /** Applies more objects, and resolves when they are ready. */
  apply(manifests: ManifestSources, timeout: number, signal: AbortSignal): Promise<Lease>
  /** Resolves before the state of the cluster is written down: the next test need not wait for that. */
  testFailed(requests: readonly RequestRecord[]): Promise<void>
  /** Comes last, and resolves when everything is gone. `failed`: a test of the suite did. */
  release(failed: boolean, requests: readonly RequestRecord[]): Promise<void>
}
