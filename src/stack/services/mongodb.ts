import { type DatabaseOptions, type Login, type ServiceDefinition, defineService } from './definition.ts'

/**
 * MongoDB, a single server. Ready when it answers the user on the pod's address, which is not open while the image initialises.
 *
 * @default version '8'
 * @example services: { store: mongodb() }
 */
export function mongodb(options: DatabaseOptions = {}): ServiceDefinition<Login> {
  const { database = 'app', user = 'app', password = 'app' } = options
  return defineService(options, {
    keys: { database: true, user: true, password: true },
    type: 'mongodb',
    repository: 'mongo',
    tag: '8',
    ports: { mongodb: 27017 },
    env: { MONGO_INITDB_ROOT_USERNAME: user, MONGO_INITDB_DATABASE: database },
    secretEnv: { MONGO_INITDB_ROOT_PASSWORD: password },
    started: {
      exec: [
        'sh',
        '-c',
        // The password stays out of the process list.
        `exec mongosh --quiet --nodb --eval 'const { env } = process; const login = [env.MONGO_INITDB_ROOT_USERNAME, env.MONGO_INITDB_ROOT_PASSWORD].map(encodeURIComponent).join(":"); connect("mongodb://" + login + "@" + env.POD_IP + ":27017/admin").runCommand({ ping: 1 })'`,
      ],
    },
    ready: { tcp: 27017 },
    dataPath: '/data/db',
    scheme: 'mongodb',
    urlPath: `/${encodeURIComponent(database)}?authSource=admin&directConnection=true`,
    details: { user, password, database },
  })
}
