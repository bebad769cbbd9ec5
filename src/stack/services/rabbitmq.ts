import { type CommonServiceOptions, type ServiceDefinition, defineService } from './definition.ts'

/** Options of `rabbitmq()`. */
export interface RabbitmqOptions extends CommonServiceOptions {
  /** An administrator. @default 'app' */
  readonly user?: string | undefined
  /** The password of `user`. @default 'app' */
  readonly password?: string | undefined
  /** The virtual host that is created. @default '/' */
  readonly vhost?: string | undefined
}

/**
 * RabbitMQ. Ready when it knows the user and takes connections.
 *
 * @default version '4'
 * @example services: { queue: rabbitmq() }
 */
export function rabbitmq(
  options: RabbitmqOptions = {},
): ServiceDefinition<{ readonly user: string; readonly password: string; readonly vhost: string }> {
  const { user = 'app', password = 'app', vhost = '/' } = options
  return defineService(options, {
    keys: { user: true, password: true, vhost: true },
    type: 'rabbitmq',
    repository: 'rabbitmq',
    tag: '4',
    ports: { amqp: 5672 },
    env: { RABBITMQ_DEFAULT_USER: user, RABBITMQ_DEFAULT_VHOST: vhost },
    secretEnv: { RABBITMQ_DEFAULT_PASS: password },
    // Each call of rabbitmqctl starts a virtual machine: only once the port is open.
    started: {
      exec: [
        'bash',
        '-c',
        'exec 3<> "/dev/tcp/$POD_IP/5672" && printf "%s\\n" "$RABBITMQ_DEFAULT_PASS" | rabbitmqctl --quiet authenticate_user "$RABBITMQ_DEFAULT_USER"',
      ],
    },
    ready: { tcp: 5672 },
    dataPath: '/var/lib/rabbitmq',
    scheme: 'amqp',
    urlPath: vhost === '/' ? '' : `/${encodeURIComponent(vhost)}`,
    details: { user, password, vhost },
  })
}
