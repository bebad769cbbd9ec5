import { type CommonServiceOptions, type ServiceDefinition, defineService } from './definition.ts'

/** Options of `nats()`. */
export interface NatsOptions extends CommonServiceOptions {
  /** The only user that is let in. @default none: every client is let in */
  readonly user?: string | undefined
  /** The password of `user`. @default none */
  readonly password?: string | undefined
  /** Streams, key-value and object stores. @default true */
  readonly jetStream?: boolean | undefined
}

/**
 * NATS, with JetStream. Ready when its own health check says so.
 *
 * @default version '2'
 * @example services: { events: nats() }
 */
export function nats(
  options: NatsOptions = {},
): ServiceDefinition<{ readonly user?: string | undefined; readonly password?: string | undefined }> {
  const { user, password, jetStream = true } = options
  const configuration = {
    port: 4222,
    monitor_port: 8222,
    ...(jetStream ? { jetstream: { store_dir: '/data' } } : {}),
    ...(user === undefined ? {} : { authorization: { user, password: password ?? '' } }),
  }
  return defineService(options, {
    keys: { user: true, password: true, jetStream: true },
    type: 'nats',
    repository: 'nats',
    tag: '2',
    ports: { nats: 4222, monitor: 8222 },
    // Its configuration is a superset of JSON.
    files: { '/etc/vitest-kubernetes/nats.conf': JSON.stringify(configuration) },
    args: ['--config', '/etc/vitest-kubernetes/nats.conf'],
    ready: { http: '/healthz', port: 8222 },
    dataPath: '/data',
    scheme: 'nats',
    details: { user, password },
  })
}
