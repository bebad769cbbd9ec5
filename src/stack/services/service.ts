import { type CommonServiceOptions, type ServiceDefinition, type ServiceProbe, defineService } from './definition.ts'

/** Options of `service()`. */
export interface GeneralServiceOptions extends Omit<CommonServiceOptions, 'version' | 'image'> {
  /** Name of the image, with its tag. */
  readonly image: string
  /** What the container listens on, and the Service's port. */
  readonly port: number
  /** When it answers. @default the port takes connections */
  readonly ready?: ServiceProbe | undefined
  /** In place of the image's entrypoint. */
  readonly command?: readonly string[] | undefined
  /** Environment that is no one else's business: it lies in a Secret. @default {} */
  readonly secretEnv?: Readonly<Record<string, string>> | undefined
  /** Folder of the container that is its storage. @default none */
  readonly dataPath?: string | undefined
  /** Of the URL. @default 'http' */
  readonly scheme?: string | undefined
}

/**
 * Any other service of one container.
 *
 * @example services: { mail: service({ image: 'axllent/mailpit:v1.27', port: 8025, ready: { http: '/readyz' } }) }
 */
export function service(options: GeneralServiceOptions): ServiceDefinition {
  const { image, port, ready = { tcp: port }, command, secretEnv = {}, dataPath, scheme = 'http' } = options
  return defineService(options, {
    keys: { port: true, ready: true, command: true, secretEnv: true, dataPath: true, scheme: true },
    type: 'other',
    repository: image,
    tag: '',
    ports: { [scheme.slice(0, 15)]: port },
    ready,
    command,
    secretEnv,
    dataPath,
    scheme,
    details: {},
  })
}
