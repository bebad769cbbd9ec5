import { glob, readFile, stat } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'

/** What a repository has that concerns suites. Paths are relative to its folder, with slashes. */
export interface Survey {
  readonly folder: string
  readonly isTypeScript: boolean
  /** vitest's config, or Vite's where vitest has none of its own. */
  readonly config: string | undefined
  /** Folders with a Dockerfile. */
  readonly images: readonly string[]
  /** Folders with Kubernetes manifests, the topmost ones. */
  readonly manifests: readonly string[]
  readonly overlays: readonly string[]
  readonly charts: readonly string[]
  /** Services of ours that its packages and Compose files use: `postgres`. */
  readonly services: readonly ServiceKind[]
  /** Packages that a suite needs and the repository does not name. */
  readonly missingPackages: readonly string[]
}

export type ServiceKind = 'postgres' | 'redis' | 'mysql' | 'mariadb' | 'rabbitmq' | 'nats' | 'mongodb' | 'kafka'

const configNames = ['vitest.config', 'vite.config'].flatMap((name) => ['ts', 'mts', 'js', 'mjs'].map((end) => `${name}.${end}`))
const ignored = ['node_modules', '.git', 'dist', 'build', 'coverage', '.vitest']

/** Looks at a repository without changing it. */
export async function surveyRepository(folder: string): Promise<Survey> {
  const files = await listFiles(folder)
  const packages = await Promise.all(
    files.filter((file) => /(^|\/)package\.json$/.test(file)).map((file) => readPackage(join(folder, file))),
  )
  const used = new Set(packages.flatMap(({ names }) => names))
  const yaml = files.filter((file) => /\.ya?ml$/.test(file))
  const charts = foldersOf(files, /(^|\/)Chart\.yaml$/)
  const overlays = foldersOf(files, /(^|\/)kustomization\.ya?ml$/)
  const isInChart = (file: string) => charts.some((chart) => chart === '.' || file.startsWith(`${chart}/`))
  const objects = await filter(yaml, async (file) => !isInChart(file) && isManifest(await readFile(join(folder, file), 'utf8')))
  const compose = await Promise.all(
    yaml.filter((file) => /(^|\/)(docker-)?compose[\w.-]*\.ya?ml$/.test(file)).map((file) => readFile(join(folder, file), 'utf8')),
  )
  return {
    folder,
    isTypeScript: files.some((file) => /(^|\/)tsconfig[\w.-]*\.json$/.test(file)),
    config: configNames.find((name) => files.includes(name)),
    images: foldersOf(files, /(^|\/)Dockerfile$/),
    manifests: topmost(objects.map((file) => dirname(file)).filter((each) => !overlays.includes(each))),
    overlays,
    charts,
    services: servicesOf(used, compose.join('\n')),
    missingPackages: ['vitest', 'vitest-kubernetes'].filter((name) => !used.has(name)),
  }
}

async function listFiles(folder: string): Promise<readonly string[]> {
  const found: string[] = []
  for await (const entry of glob('**/*', { cwd: folder, withFileTypes: true, exclude: ({ name }) => ignored.includes(name) }))
    if (entry.isFile())
      found.push(
        join(entry.parentPath, entry.name)
          .slice(folder.length + 1)
          .replaceAll(sep, '/'),
      )
  return found.toSorted()
}

async function readPackage(path: string): Promise<{ readonly names: readonly string[] }> {
  type Names = Readonly<Record<string, string>>
  const { dependencies, devDependencies } = JSON.parse(await readFile(path, 'utf8')) as { dependencies?: Names; devDependencies?: Names }
  return { names: Object.keys({ ...dependencies, ...devDependencies }) }
}

function foldersOf(files: readonly string[], pattern: RegExp): readonly string[] {
  return files.filter((file) => pattern.test(file)).map((file) => dirname(file))
}

function topmost(folders: readonly string[]): readonly string[] {
  const unique = [...new Set(folders)]
  return unique.filter((folder) => !unique.some((other) => other !== folder && folder.startsWith(`${other}/`)))
}

function isManifest(text: string): boolean {
  return /^apiVersion: *\S/m.test(text) && /^kind: *(?!Kustomization|Cluster\b)\S/m.test(text)
}

/** Client libraries, and images of Compose files, by the service that they are for. */
const clients: Readonly<Record<ServiceKind, readonly [packages: readonly string[], image: RegExp]>> = {
  postgres: [['pg', 'postgres', 'pg-promise', '@prisma/adapter-pg'], /^\s*image: *["']?\S*\b(postgres|postgis)\b/m],
  redis: [['redis', 'ioredis', 'bullmq'], /^\s*image: *["']?\S*\b(redis|valkey)\b/m],
  mysql: [['mysql2', 'mysql'], /^\s*image: *["']?\S*\bmysql\b/m],
  mariadb: [['mariadb'], /^\s*image: *["']?\S*\bmariadb\b/m],
  rabbitmq: [['amqplib', 'amqp-connection-manager'], /^\s*image: *["']?\S*\brabbitmq\b/m],
  nats: [['nats', '@nats-io/transport-node'], /^\s*image: *["']?\S*\bnats\b/m],
  mongodb: [['mongodb', 'mongoose'], /^\s*image: *["']?\S*\bmongo\b/m],
  kafka: [['kafkajs', '@confluentinc/kafka-javascript'], /^\s*image: *["']?\S*\bkafka\b/m],
}

function servicesOf(used: ReadonlySet<string>, compose: string): readonly ServiceKind[] {
  return (Object.keys(clients) as ServiceKind[]).filter((kind) => {
    const [packages, image] = clients[kind]
    return packages.some((name) => used.has(name)) || image.test(compose)
  })
}

async function filter<T>(items: readonly T[], holds: (item: T) => Promise<boolean>): Promise<readonly T[]> {
  const kept = await Promise.all(items.map(holds))
  return items.filter((_, index) => kept[index])
}

/** Whether there is a file or folder. */
export async function exists(path: string): Promise<boolean> {
  return (await stat(path, { throwIfNoEntry: false })) !== undefined
}
