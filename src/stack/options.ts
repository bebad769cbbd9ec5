import { type IpFamily, clusterRanges } from '../cluster/network/cluster-ranges.ts'
import type { KubeObject } from '../kube/object.ts'
import { parseSize } from '../support/parse-size.ts'
import { checkMount } from './check-mount.ts'
import {
  allKeys,
  checkKeys,
  checkOption,
  invalid,
  isDuration,
  isPositive,
  isRecord,
  isText,
  isTextArray,
  isTextRecord,
  refuseTypos,
} from './check-option.ts'
import { checkReady } from './check-ready.ts'
import { checkSeed } from './check-seed.ts'
import { checkTools } from './check-tools.ts'
import type { MountTarget } from './mount-options.ts'
import type { ReadyOption } from './ready-options.ts'
import type { SeedOption } from './seed-options.ts'
import { checkServices } from './services/check-services.ts'
import type { ServiceDefinition } from './services/definition.ts'
import type { ToolOptions } from './tool-options.ts'

/** How to build an image. */
export interface ImageBuild {
  /** Folder with the Dockerfile, relative to the test file: the build context. */
  readonly build: string
  /** Path of the Dockerfile in the folder. @default 'Dockerfile' */
  readonly dockerfile?: string | undefined
  /** Stage of the Dockerfile to stop at. @default the last one */
  readonly target?: string | undefined
  /** Values for the Dockerfile's ARGs. */
  readonly buildArgs?: Readonly<Record<string, string>> | undefined
  /** Fails the build of an image that is larger, with a table of its layers: `'160MB'`, or bytes. @default no limit */
  readonly maxSize?: string | number | undefined
}

/**
 * What runs in the cluster of a suite. Paths are relative to the test file.
 *
 * @example
 * const shop = {
 *   images: ['./orders', './inventory'],
 *   manifests: ['./k8s'],
 *   seed: { 'statefulset/postgres': './seed/shop.sql' },
 * } satisfies StackOptions
 */
export interface StackOptions<Cluster = never, Services = ServiceDefinitions, Seed = unknown> extends ToolOptions {
  /**
   * Images that the cluster gets from this machine instead of a registry. A folder (starting with `.` or `/`) is built,
   * and used wherever a manifest names an image of the folder's name, whatever its tag or registry: `./orders` is
   * `orders:dev` as well as `registry.example.com/shop/orders:1.2`. Anything else is an image to pull, if Docker does not have it.
   * As an object the keys are the names in the manifests: `{ orders: { build: './services/orders', target: 'dev' } }`.
   * Images of the manifests that Docker has are brought along in any case.
   * @default []
   * @example images: ['./orders', 'postgres:17']
   */
  readonly images?: readonly string[] | Readonly<Record<string, string | ImageBuild>> | undefined
  /**
   * YAML or JSON files, folders of such, globs, or objects. Applied by server-side apply, Namespaces and CustomResourceDefinitions first.
   * @default []
   * @example manifests: ['./k8s', './crds/*.yaml']
   */
  readonly manifests?: string | KubeObject | readonly (string | KubeObject)[] | undefined
  /**
   * Databases, caches, queues and the like by the name of their Service, as `postgres()`, `redis()` … and `service()` define
   * them. Tests find their addresses in `cluster.services`, pods in a Secret of the service's name.
   * @default {}
   * @example services: { db: postgres({ database: 'shop' }), cache: redis() }
   */
  readonly services?: Services | undefined
  /**
   * Ports of this machine, 127.0.0.1, for Services: by name, with the port's name or number where there are several
   * (`'gateway:http'`), and with the namespace where it is another one (`'gateway.shop'`). `up` always takes them; a suite takes
   * another one while somebody else has it, and says so: suites run side by side, and beside a stack that is up.
   * @default Docker's choice
   * @example ports: { gateway: 4000, 'db': 15432 }
   */
  readonly ports?: Readonly<Record<string, number>> | undefined
  /** What the relative paths of the stack are relative to. @default the folder of the test file; of the file that calls `defineStack` */
  readonly folder?: string | undefined
  /**
   * Data, by service or workload: SQL files, dumps, Redis commands and RDB files, requests, commands and Jobs, in order. They run
   * once the service answers. Functions run in the worker, after all that: `[{ db: './shop.sql' }, async ({ cluster }) => { … }]`.
   * @default {}
   * @example seed: { db: ['./schema.sql', './rows.dump'], 'deployment/orders': { http: '/admin/import', file: './orders.json' } }
   */
  readonly seed?: (SeedOption<Cluster, Extract<keyof Services, string>> & Seed) | undefined
  /**
   * What else has to hold before the first test, once all workloads are ready and the declared seeds are done: answers of HTTP and
   * GraphQL, ports, conditions and fields of objects.
   * @default {}
   * @example ready: { 'deployment/gateway': { graphql: '/graphql', type: 'Order' }, 'pvc/files': { field: 'status.phase', equals: 'Bound' } }
   */
  readonly ready?: ReadyOption | undefined
  /**
   * Folders of this machine in the pods of workloads of the manifests, for live reload: what changes here changes there, on every node.
   * By workload, from folder to path in the container.
   * @default {}
   * @example mount: { 'deployment/orders': { './orders/src': '/app/src' } }
   */
  readonly mount?: Readonly<Record<string, Readonly<Record<string, string | MountTarget>>>> | undefined
  /**
   * Whether Ingresses and Gateways are served. `false`: they are applied, and nothing else: no ingress controller starts, and its image is
   * not pulled.
   * @default true
   * @example ingress: false
   */
  readonly ingress?: boolean | undefined
}

const isPort = (value: unknown) => Number.isInteger(value) && (value as number) > 0 && (value as number) < 65_536

export type ServiceDefinitions = Readonly<Record<string, ServiceDefinition>>

/** The cluster of a suite. */
export interface ClusterOptions {
  /**
   * `'shared'`: one cluster for all suites of the run, of whatever file, that say so and whose options of the cluster are equal.
   * Each has a namespace of its own there, which goes with the suite. Objects outside of it must not be those of another suite.
   * `'up'`: the stack that `npx vitest-kubernetes up` has left running, where there is one with the same options: brought up to date and
   * reset first, one suite at a time. What the suite applies is undone at its end. Otherwise, as in CI, a cluster of its own.
   * @default 'own'
   */
  readonly cluster?: 'own' | 'shared' | 'up' | undefined
  /** Whether the cluster stays after the suite, for you to look into; the commands are printed. `'on-failure'`: when a test or the set-up failed. @default 'never' */
  readonly keep?: 'never' | 'on-failure' | 'always' | undefined
  /** Milliseconds until a cluster that was kept is removed. @default 3_600_000 */
  readonly keepFor?: number | undefined
  /**
   * k3s agents besides the one server.
   * @default 0
   * @example agents: 1
   */
  readonly agents?: number | undefined
  /** Node image, such as `rancher/k3s:v1.36.3-k3s1`. @default the plugin's, or else k3d's own */
  readonly nodeImage?: string | undefined
  /** Arguments for k3s on the server, as `k3d --k3s-arg` takes them. @default ['--disable=traefik', '--disable=metrics-server'] */
  readonly k3sArgs?: readonly string[] | undefined
  /**
   * `'dual'`: pods and Services have IPv6 addresses besides IPv4 (Services as their `ipFamilyPolicy` says). The cluster's Docker
   * network gets a range of local IPv6 addresses of its own, so nothing has to be set up; Docker has to run where there is IPv6.
   * @default 'ipv4'
   */
  readonly ipFamily?: IpFamily | undefined
  /** Environment of the nodes, such as `{ HTTPS_PROXY: 'http://proxy:3128' }` for what they pull, or `IPTABLES_MODE`, which k3s' images know. @default {} */
  readonly nodeEnv?: Readonly<Record<string, string>> | undefined
  /** Bytes of memory that the suite's cluster takes; it does not start with less. @default 700_000_000 */
  readonly memory?: number | undefined
  /** Milliseconds for the whole set-up, from the moment that a cluster may be started. @default 300_000 */
  readonly setupTimeout?: number | undefined
}

export interface SuiteClusterOptions<Cluster = never> extends StackOptions<Cluster>, ClusterOptions {}

/** The keys of our own among a suite's options; the others are vitest's. */
export const clusterOptionKeys = allKeys<SuiteClusterOptions>({
  images: true,
  manifests: true,
  kustomize: true,
  charts: true,
  secrets: true,
  sops: true,
  services: true,
  ports: true,
  folder: true,
  seed: true,
  ready: true,
  cluster: true,
  keep: true,
  keepFor: true,
  mount: true,
  ingress: true,
  agents: true,
  nodeImage: true,
  k3sArgs: true,
  ipFamily: true,
  nodeEnv: true,
  memory: true,
  setupTimeout: true,
})

/** Before `checkOptions`, with the keys that are vitest's too. */
export function checkSpelling(options: object): void {
  refuseTypos(Object.keys(options), [...clusterOptionKeys, 'bridge'])
}

/**
 * Refuses what cannot be meant, before anything starts.
 * @throws ClusterTestError `ERR_OPTIONS_INVALID` that names the option and the value
 */
export function checkOptions(options: SuiteClusterOptions): void {
  checkStack(options)
  checkOption('cluster', "'own', 'shared' or 'up'", options.cluster, (value) => ['own', 'shared', 'up'].includes(value as string))
  checkOption('keep', "'never', 'on-failure' or 'always'", options.keep, (value) =>
    ['never', 'on-failure', 'always'].includes(value as string),
  )
  checkOption('keepFor', 'a positive number of milliseconds', options.keepFor, isPositive)
  checkMount(options.mount)
  checkOption('agents', 'a non-negative integer', options.agents, (value) => Number.isInteger(value) && (value as number) >= 0)
  checkOption('nodeImage', 'the name of an image', options.nodeImage, isText)
  checkOption('k3sArgs', 'an array of strings', options.k3sArgs, isTextArray)
  checkOption('ipFamily', `'ipv4' or 'dual'`, options.ipFamily, (value) => value === 'ipv4' || value === 'dual')
  clusterRanges(options.k3sArgs ?? [], options.ipFamily ?? 'ipv4')
  checkOption('nodeEnv', 'an object of strings', options.nodeEnv, isTextRecord)
  checkOption('memory', 'a positive number of bytes', options.memory, isPositive)
  checkOption('setupTimeout', 'a positive number of milliseconds below 2 ** 31', options.setupTimeout, isDuration)
}

/** The part of `checkOptions` that is about the stack. */
function checkStack(options: StackOptions): void {
  checkImages(options.images)
  checkManifests(options.manifests)
  checkTools(options)
  checkServices(options.services)
  checkOption(
    'ports',
    'an object of port numbers (1 to 65535)',
    options.ports,
    (value) => isRecord(value) && Object.values(value).every(isPort),
  )
  checkOption('folder', 'a path', options.folder, isText)
  checkSeed(options.seed, options.services)
  checkReady(options.ready)
  checkOption('ingress', 'true or false', options.ingress, (value) => typeof value === 'boolean')
}

const imageKeys = allKeys<ImageBuild>({ build: true, dockerfile: true, target: true, buildArgs: true, maxSize: true })

function checkImages(images: unknown): void {
  if (images === undefined || isTextArray(images)) return
  if (!isRecord(images)) throw invalid('images', 'an array of folders and image names, or an object', images)
  for (const [name, image] of Object.entries(images)) {
    if (isText(image)) continue
    const option = `images.${name}`
    if (!isRecord(image)) throw invalid(option, 'a folder, an image name, or { build: folder }', image)
    checkOption(`${option}.build`, 'a folder', image.build ?? null, isText)
    checkOption(`${option}.dockerfile`, 'a path', image.dockerfile, isText)
    checkOption(`${option}.target`, 'the name of a stage', image.target, isText)
    checkOption(`${option}.maxSize`, "a size such as '160MB', or a number of bytes", image.maxSize, (size) => parseSize(size) !== undefined)
    checkKeys(option, image, imageKeys)
    checkOption(`${option}.buildArgs`, 'an object of strings', image.buildArgs, isTextRecord)
  }
}

function checkManifests(manifests: unknown): void {
  const list = Array.isArray(manifests) ? manifests : manifests === undefined ? [] : [manifests]
  list.forEach((manifest: unknown, index) => {
    if (!isText(manifest) && !isRecord(manifest))
      throw invalid(Array.isArray(manifests) ? `manifests[${index}]` : 'manifests', 'a path, a glob or an object', manifest)
  })
}
