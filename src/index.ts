export * from 'vitest'
export { type ClusterDescribe, describe } from './suite/describe.ts'
export { defineStack } from './client/define-stack.ts'
export { kafka } from './stack/services/kafka.ts'
export { mariadb, mysql } from './stack/services/mariadb.ts'
export { mongodb } from './stack/services/mongodb.ts'
export { nats, type NatsOptions } from './stack/services/nats.ts'
export { postgres } from './stack/services/postgres.ts'
export { rabbitmq, type RabbitmqOptions } from './stack/services/rabbitmq.ts'
export { redis, type RedisOptions } from './stack/services/redis.ts'
export { type GeneralServiceOptions, service } from './stack/services/service.ts'
export type { CommonServiceOptions, DatabaseOptions, ServiceDefinition, ServiceProbe, ServiceStorage } from './stack/services/definition.ts'
export type { ServiceConnection, ServiceConnections, ServiceEndpoint } from './stack/services/connection.ts'
export type {
  Bridge,
  BridgeOptions,
  Cut,
  CutOptions,
  DisturbOptions,
  DisturbedWorkload,
  LocalContainerOptions,
  LocalServer,
  Member,
  ReceivedRequest,
  RunOptions,
  SuiteBridgeOptions,
} from './bridge/options.ts'
export type { EnvOptions } from './bridge/side/env.ts'
export type { ExpectedRequest, RequestMatch, TextMatch } from './bridge/junction/match.ts'
export type { ClusterTestContext } from './suite/with-cluster.ts'
export type { ClusterEnvOptions, ClusterLogOptions, ExecOptions, InNamespace, RequestService, TestCluster } from './client/test-cluster.ts'
export type { DiagnosticsArtifact } from './suite/diagnostics-artifact.ts'
export type { ReadyCheck, ReadyOption } from './stack/ready-options.ts'
export type { DeclaredSeed, SeedExec, SeedFunction, SeedHttp, SeedJob, SeedOption, SeedStep } from './stack/seed-options.ts'
export type { ClusterOptions, ImageBuild, StackOptions, SuiteClusterOptions } from './stack/options.ts'
export type { KubeObject } from './kube/object.ts'
export { ClusterTestError, type ErrorCode } from './support/errors.ts'
