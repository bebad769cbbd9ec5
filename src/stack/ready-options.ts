/** What a GET of a path has to be answered. */
export interface HttpCheck {
  /** Path, with query: `/healthz`. */
  readonly http: string
  /** The status that is right. @default any from 200 to 299 */
  readonly status?: number | undefined
  /** What the body has to contain. */
  readonly text?: string | undefined
}

/** A port that has to take connections. */
export interface TcpCheck {
  /** Number or name of the Service's port. */
  readonly tcp: number | string
}

/** A GraphQL server that has to answer an introspection. */
export interface GraphqlCheck {
  /** Path: `/graphql`. */
  readonly graphql: string
  /** A type that its schema has to have: for a gateway, one of a subgraph that it waits for. */
  readonly type?: string | undefined
}

/** A condition in an object's status. */
export interface ConditionCheck {
  /** Such as `Available`, `Ready` or `Established`. */
  readonly condition: string
  /** The condition's status. @default 'True' */
  readonly status?: string | undefined
}

/** A field of an object. */
export interface FieldCheck {
  /** Names with dots between them: `status.phase`. */
  readonly field: string
  /** What the field has to be. */
  readonly equals: string | number | boolean
}

/** Something that has to hold before the first test. */
export type ReadyCheck = (HttpCheck | TcpCheck | GraphqlCheck | ConditionCheck | FieldCheck) & {
  /** Number or name of the Service's port, for `http` and `graphql`. @default the only one, or the one named `http` */
  readonly port?: number | string | undefined
  /** Milliseconds until the check has to hold. @default what is left of `setupTimeout` */
  readonly timeout?: number | undefined
}

/**
 * Checks by what they are about: a service of the stack, `service/name`, a workload (`kind/name`), `pvc/name`, `crd/name`, or any
 * object as `apiVersion/Kind/name`.
 */
export type ReadyOption = Readonly<Record<string, ReadyCheck | readonly ReadyCheck[]>>
