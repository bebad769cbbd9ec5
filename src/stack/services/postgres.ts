import { type DatabaseOptions, type Login, type ServiceDefinition, defineService } from './definition.ts'

/**
 * PostgreSQL. Ready when a query over TCP is answered as the user, which is not the case while the image initialises.
 * The user is the superuser, as in the official image. Throwaway storage does not wait for the disk.
 *
 * @default version '17'
 * @example services: { db: postgres({ database: 'shop' }) }
 */
export function postgres(options: DatabaseOptions = {}): ServiceDefinition<Login> {
  const { database = 'app', user = 'app', password = 'app', storage } = options
  const fast = ['fsync', 'synchronous_commit', 'full_page_writes'].flatMap((name) => ['-c', `${name}=off`])
  return defineService(options, {
    keys: { database: true, user: true, password: true },
    type: 'postgres',
    repository: 'postgres',
    tag: '17',
    ports: { postgres: 5432 },
    env: { POSTGRES_USER: user, POSTGRES_DB: database, PGDATA: '/data/postgres' },
    secretEnv: { POSTGRES_PASSWORD: password },
    args: storage === 'persistent' ? [] : fast,
    // The pod's own address: on loopback the official image asks for no password.
    started: {
      exec: [
        'sh',
        '-c',
        'PGPASSWORD=$POSTGRES_PASSWORD exec psql --no-psqlrc -h "$POD_IP" -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "select 1"',
      ],
    },
    ready: { tcp: 5432 },
    dataPath: '/data',
    scheme: 'postgres',
    urlPath: `/${encodeURIComponent(database)}`,
    details: { user, password, database },
  })
}
