import { allKeys, checkKeys } from '../check-option.ts'

/** What a service is: decides on how it is seeded and reset. */
export type ServiceType = 'kafka' | 'mariadb' | 'mongodb' | 'nats' | 'other' | 'postgres' | 'rabbitmq' | 'redis'

/** `'throwaway'` goes with the pod, `'persistent'` lies on a volume that outlives it. Both go with the cluster. */
export type ServiceStorage = 'throwaway' | 'persistent'

/** How to tell that a container answers: as Kubernetes' probes have it. */
export type ServiceProbe =
  | { readonly exec: readonly string[] }
  | { readonly http: string; readonly port?: number | undefined }
  | { readonly tcp: number }

/** User, password and database of a service that has them. */
export interface Login {
  readonly user: string
  readonly password: string
  readonly database: string
}

/**
 * A service of a stack, as `postgres()`, `redis()` … and `service()` make it: plain data that the engine turns into a
 * Secret, a Service and a StatefulSet of the service's name.
 */
export interface ServiceDefinition<Details extends object = object> {
  readonly type: ServiceType
  readonly image: string
  /** By name; the first one is what clients connect to. */
  readonly ports: Readonly<Record<string, number>>
  readonly env: Readonly<Record<string, string>>
  /** Environment that reaches the container by the Secret. */
  readonly secretEnv: Readonly<Record<string, string>>
  /** Content of files by their absolute path in the container; they lie in the Secret. */
  readonly files: Readonly<Record<string, string>>
  readonly command?: readonly string[] | undefined
  readonly args: readonly string[]
  /** Runs until it succeeds once: as costly as it has to be. */
  readonly started?: ServiceProbe | undefined
  /** Runs as long as the container does. */
  readonly ready: ServiceProbe
  readonly storage: ServiceStorage
  /** Where the container keeps its data; nowhere if absent. */
  readonly dataPath?: string | undefined
  /** Size of the volume of persistent storage. */
  readonly size: string
  /** Of the URL: `postgres`, `redis`, `amqp` … */
  readonly scheme: string
  /** Behind host and port of the URL. */
  readonly urlPath: string
  readonly details: Details
}

/** What every ready-made service can be told. */
export interface CommonServiceOptions {
  /** Tag of the official image. */
  readonly version?: string | undefined
  /** Another image than the official one: it has to take the same variables. */
  readonly image?: string | undefined
  /** More environment for the container. @default {} */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** More arguments for the server. @default [] */
  readonly args?: readonly string[] | undefined
  /** Where the data is: `'throwaway'` in the pod, and gone with it, `'persistent'` on a volume that outlives it. @default 'throwaway' */
  readonly storage?: ServiceStorage | undefined
  /** Size of the volume of persistent storage. @default '1Gi' */
  readonly size?: string | undefined
}

/** Options of databases, which have a user. */
export interface DatabaseOptions extends CommonServiceOptions {
  /** The database that is created. @default 'app' */
  readonly database?: string | undefined
  /** Who owns the database. @default 'app' */
  readonly user?: string | undefined
  /** It protects nothing: the database can be reached from this machine and the cluster only. @default 'app' */
  readonly password?: string | undefined
}

const commonKeys = allKeys<CommonServiceOptions>({ version: true, image: true, env: true, args: true, storage: true, size: true })

/**
 * The parts that are the same for all.
 * @throws ClusterTestError `ERR_OPTIONS_INVALID` for an option that the service does not have
 */
export function defineService<Options extends CommonServiceOptions, Details extends object>(
  options: Options,
  own: Pick<ServiceDefinition<Details>, 'type' | 'ports' | 'ready' | 'scheme' | 'details'> &
    Partial<ServiceDefinition<Details>> & {
      readonly repository: string
      readonly tag: string
      /** Options of its own. */
      readonly keys: Readonly<Record<Exclude<keyof Options, keyof CommonServiceOptions>, true>>
    },
): ServiceDefinition<Details> {
  const { repository, tag, keys, ...rest } = own
  checkKeys(`services (${own.type})`, options, [...commonKeys, ...Object.keys(keys)])
  const { version, image, env = {}, args = [], storage = 'throwaway', size = '1Gi' } = options
  return {
    secretEnv: {},
    files: {},
    urlPath: '',
    storage,
    size,
    ...rest,
    image: image ?? `${repository}:${version ?? tag}`,
    env: { ...own.env, ...env },
    args: [...(own.args ?? []), ...args],
  }
}
