export * from 'vitest'
export { type ClusterDescribe, describe } from './suite/describe.ts'
export type {
  Bridge,
  BridgeOptions,
  LocalContainerOptions,
  LocalServer,
  Member,
  ReceivedRequest,
  RunOptions,
  SuiteBridgeOptions,
} from './bridge/options.ts'
export type { EnvOptions } from './bridge/env.ts'
export type { ExpectedRequest, RequestMatch, TextMatch } from './bridge/match.ts'
export type { ClusterTestContext } from './suite/with-cluster.ts'
export type { ClusterEnvOptions, ClusterLogOptions, ExecOptions, InNamespace, RequestService, TestCluster } from './suite/test-cluster.ts'
export type { DiagnosticsArtifact } from './suite/failure-report.ts'
export type { ClusterOptions, ImageBuild, StackOptions, SuiteClusterOptions } from './stack/options.ts'
export type { KubeObject } from './kube/types.ts'
export { ClusterTestError, type ErrorCode } from './support/errors.ts'
