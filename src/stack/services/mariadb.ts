import { type DatabaseOptions, type Login, type ServiceDefinition, defineService } from './definition.ts'

/**
 * MariaDB. Ready when a query over TCP is answered as the user. `root` has the same password.
 *
 * @default version '11'
 * @example services: { db: mariadb({ database: 'shop' }) }
 */
export function mariadb(options: DatabaseOptions = {}): ServiceDefinition<Login> {
  return defineMysql(options, { repository: 'mariadb', tag: '11', prefix: 'MARIADB', client: 'mariadb' })
}

/**
 * MySQL. Ready when a query over TCP is answered as the user. `root` has the same password.
 *
 * @default version '8.4'
 * @example services: { db: mysql({ database: 'shop' }) }
 */
export function mysql(options: DatabaseOptions = {}): ServiceDefinition<Login> {
  return defineMysql(options, { repository: 'mysql', tag: '8.4', prefix: 'MYSQL', client: 'mysql' })
}

interface Flavour {
  readonly repository: string
  readonly tag: string
  readonly prefix: string
  readonly client: string
}

function defineMysql(options: DatabaseOptions, { repository, tag, prefix, client }: Flavour): ServiceDefinition<Login> {
  const { database = 'app', user = 'app', password = 'app', storage } = options
  const fast = ['--innodb-flush-log-at-trx-commit=0', '--sync-binlog=0', '--innodb-doublewrite=0']
  // `root` cannot be made a second time.
  const account = user === 'root' ? {} : { [`${prefix}_USER`]: user }
  return defineService(options, {
    keys: { database: true, user: true, password: true },
    type: 'mariadb',
    repository,
    tag,
    ports: { mysql: 3306 },
    env: { ...account, [`${prefix}_DATABASE`]: database },
    secretEnv: { ...(user === 'root' ? {} : { [`${prefix}_PASSWORD`]: password }), [`${prefix}_ROOT_PASSWORD`]: password },
    args: storage === 'persistent' ? [] : fast,
    started: {
      exec: [
        'sh',
        '-c',
        `MYSQL_PWD=$${prefix}_ROOT_PASSWORD exec ${client} --protocol=tcp -h "$POD_IP" -u "\${${prefix}_USER:-root}" "$${prefix}_DATABASE" -e "select 1"`,
      ],
    },
    ready: { tcp: 3306 },
    dataPath: '/var/lib/mysql',
    scheme: 'mysql',
    urlPath: `/${encodeURIComponent(database)}`,
    details: { user, password, database },
  })
}
