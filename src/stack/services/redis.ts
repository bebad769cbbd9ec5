import { type CommonServiceOptions, type ServiceDefinition, defineService } from './definition.ts'

/** Options of `redis()`. */
export interface RedisOptions extends CommonServiceOptions {
  /** What clients have to send. @default none: every client is let in */
  readonly password?: string | undefined
}

/**
 * Redis. Ready when it answers PING, which it does not while it loads its data.
 *
 * @default version '8'
 * @example services: { cache: redis() }
 */
export function redis(options: RedisOptions = {}): ServiceDefinition<{ readonly password?: string | undefined }> {
  const { password, storage } = options
  return defineService(options, {
    keys: { password: true },
    type: 'redis',
    repository: 'redis',
    tag: '8',
    ports: { redis: 6379 },
    ...(password === undefined
      ? {}
      : { secretEnv: { REDISCLI_AUTH: password }, files: { '/etc/vitest-kubernetes/redis.conf': `requirepass ${quoted(password)}\n` } }),
    args: [
      ...(password === undefined ? [] : ['/etc/vitest-kubernetes/redis.conf']),
      ...(storage === 'persistent' ? ['--appendonly', 'yes'] : ['--save', '']),
    ],
    // Its exit code is 0 for an error too.
    started: { exec: ['sh', '-c', 'redis-cli -h "$POD_IP" ping | grep -q PONG'] },
    ready: { tcp: 6379 },
    dataPath: '/data',
    scheme: 'redis',
    details: { password },
  })
}

/** As redis.conf reads a quoted argument. */
function quoted(text: string): string {
  return `"${[...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}"`
}
