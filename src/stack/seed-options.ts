import type { KubeObject } from '../kube/object.ts'

/** What is said of steps whose work cannot be seen. */
interface Durable {
  /**
   * Whether all that it brings is in databases, or on volumes, and nothing of it in the memory or the files of a container: then a
   * cluster with it can be forked. @default false
   */
  readonly durable?: boolean | undefined
}

/** A command in the first ready pod of the seed's workload. */
export interface SeedExec extends Durable {
  /** Program and arguments, no shell: `['node', 'import.js']`. */
  readonly exec: readonly string[]
  /** File for its standard input. */
  readonly input?: string | undefined
  /** The container that runs it. @default the annotated one, or the first */
  readonly container?: string | undefined
}

/** A request to the Service of the seed's workload. */
export interface SeedHttp extends Durable {
  /** Path, with query: `/admin/import?mode=full`. */
  readonly http: string
  /** Method of the request. @default 'POST' */
  readonly method?: string | undefined
  /** Headers of the request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Sent as JSON. */
  readonly json?: unknown
  /** File to send, instead of `json`. */
  readonly file?: string | undefined
  /** The status that is right. @default any from 200 to 299 */
  readonly status?: number | undefined
  /** Number or name of the Service's port. @default the only one, or the one named `http` */
  readonly port?: number | string | undefined
}

/** A Job that has to complete: a manifest as the option `manifests` takes it. */
export interface SeedJob {
  /** File with the Job, or the object itself. */
  readonly job: string | KubeObject
}

/** A file, by its content and the workload: SQL, a dump of `pg_dump`, Redis commands, an RDB file; or a step of another kind. */
export type SeedStep = string | SeedExec | SeedHttp | SeedJob

/** Seeds by service or workload, which run at the same time; the steps of one run in order. */
export type DeclaredSeed<Service extends string = never> = Readonly<Record<string, SeedStep | readonly SeedStep[]>> & {
  // For editors to complete.
  readonly [Name in Service]?: SeedStep | readonly SeedStep[]
}

/** Code that seeds. It runs in the worker, before the first test. */
export type SeedFunction<Cluster> = (context: { readonly cluster: Cluster }) => unknown

/** Seeds in order: first what is declared, then functions. */
export type SeedOption<Cluster, Service extends string = never> =
  | DeclaredSeed<Service>
  | SeedFunction<Cluster>
  | readonly (DeclaredSeed<Service> | SeedFunction<Cluster>)[]

/** What the engine can do: the option without functions, one stage after the other. */
export function declaredSeeds(seed: SeedOption<never> | undefined): readonly DeclaredSeed[] {
  return stagesOf(seed).filter((stage) => typeof stage !== 'function')
}

/** What is left for the worker. */
export function seedFunctions<Cluster>(seed: SeedOption<Cluster> | undefined): readonly SeedFunction<Cluster>[] {
  return stagesOf(seed).filter((stage) => typeof stage === 'function')
}

function stagesOf<Cluster>(seed: SeedOption<Cluster> | undefined): readonly (DeclaredSeed | SeedFunction<Cluster>)[] {
  if (seed === undefined) return []
  return Array.isArray(seed) ? (seed as readonly (DeclaredSeed | SeedFunction<Cluster>)[]) : [seed as DeclaredSeed | SeedFunction<Cluster>]
}
