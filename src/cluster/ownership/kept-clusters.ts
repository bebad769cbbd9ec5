import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { DockerEngine } from '../../docker/docker.ts'
import { removeByLabel } from '../../docker/remove.ts'
import { cacheFolder } from '../../support/cache-folder.ts'
import { clusterLabel, clusterName, expiresLabel, kubeconfigLabel, ownerLabel, runLabel, stackLabel } from './owner.ts'

/** A cluster that outlives its suite, for people to look into, or the process that brought its stack up. */
export interface KeptCluster {
  readonly name: string
  readonly run: string
  /** Milliseconds since 1970; Infinity for a stack that stays until it is taken down. */
  readonly expires: number
  /** Absolute path, readable by its owner only. */
  readonly kubeconfigPath: string
  /** What is up in it. */
  readonly stack: UpStack | undefined
  /** Those of its objects in Docker. */
  readonly labels: Readonly<Record<string, string>>
}

/** Which stack: two checkouts of a repository have one each. */
export interface UpStack {
  readonly name: string
  /** Absolute path of the file that exports it. */
  readonly file: string
  /** What of its options its cluster was made of. */
  readonly cluster: string
}

export interface KeepOptions {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly kubeconfig: string
  readonly expires: number
  readonly stack?: UpStack | undefined
}

/** Start of the name of the private folder with a kept cluster's kubeconfig. */
const folderPrefix = (name: string) => `vitest-kubernetes-kept-${name}-`

/** A stack outlives a reboot, which empties the folder for temporary files. */
const stackFolder = (name: string) => cacheFolder('up', name)

const definitionFile = (name: string) => join(stackFolder(name), 'definition')

/** Writes down what a stack that is up was made of; labels of a volume cannot change. */
export async function noteDefinition({ name }: Pick<KeptCluster, 'name'>, definition: string): Promise<void> {
  await writeFile(definitionFile(name), definition)
}

export function readDefinition({ name }: Pick<KeptCluster, 'name'>): Promise<string | undefined> {
  return readFile(definitionFile(name), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

/** Writes down, where Docker keeps its objects, that a cluster stays until then. */
export async function markKept(docker: DockerEngine, { name, labels, kubeconfig, expires, stack }: KeepOptions): Promise<KeptCluster> {
  const folder = stack ? stackFolder(name) : await mkdtemp(join(tmpdir(), folderPrefix(name)))
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const kubeconfigPath = join(folder, 'kubeconfig')
  await writeFile(kubeconfigPath, kubeconfig, { mode: 0o600 })
  const ofStack = stack && { [stackLabel]: JSON.stringify(stack) }
  await docker.engine.createVolume({
    Name: `${name}-kept`,
    Labels: { ...labels, ...ofStack, [expiresLabel]: String(expires), [kubeconfigLabel]: kubeconfigPath },
  })
  return { name, run: labels[runLabel] ?? '', expires, kubeconfigPath, stack, labels }
}

export type UpCluster = KeptCluster & { readonly stack: UpStack }

/** Those that stay until they are taken down, of all checkouts on this machine. */
export async function listUp(docker: DockerEngine): Promise<readonly UpCluster[]> {
  return (await listKept(docker)).filter((each): each is UpCluster => each.stack !== undefined)
}

/** All clusters that are kept, those whose time is over included. */
export async function listKept(docker: DockerEngine): Promise<readonly KeptCluster[]> {
  const { Volumes } = await docker.engine.listVolumes({ filters: { label: [ownerLabel, expiresLabel] } })
  return (Volumes ?? []).map(({ Labels }) => {
    const { [expiresLabel]: expires, [kubeconfigLabel]: kubeconfigPath = '', [stackLabel]: stack, ...labels } = Labels
    return {
      name: labels[clusterLabel] ?? '',
      run: labels[runLabel] ?? '',
      expires: Number(expires),
      kubeconfigPath,
      stack: parseStack(stack),
      labels,
    }
  })
}

/** Anybody may label a volume: what is none of ours is no stack. */
export function parseStack(text = 'null'): UpStack | undefined {
  try {
    const { name, file, cluster } = (JSON.parse(text) ?? {}) as Record<string, unknown>
    return typeof name === 'string' && typeof file === 'string' && typeof cluster === 'string' ? { name, file, cluster } : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Removes a kept cluster and its kubeconfig, and what says that it is kept only when the rest is gone. */
export async function removeKept(docker: DockerEngine, { name }: Pick<KeptCluster, 'name'>): Promise<void> {
  const filters = [`k3d.cluster=${name}`, `${clusterLabel}=${name}`]
  await removeByLabel(docker, filters, { isMeant: (labels) => !(expiresLabel in labels) })
  await removeByLabel(docker, filters)
  await removeKubeconfigs(folderPrefix(name), [])
  await rm(stackFolder(name), { recursive: true, force: true })
}

/** Those of a run's clusters that are not kept any more. */
export async function removeOldKubeconfigs(run: string, kept: ReadonlySet<string>): Promise<void> {
  await removeKubeconfigs(folderPrefix(clusterName(run, '')).slice(0, -1), [...kept].map(folderPrefix))
}

async function removeKubeconfigs(prefix: string, except: readonly string[]): Promise<void> {
  for (const folder of await readdir(tmpdir()))
    if (folder.startsWith(prefix) && !except.some((each) => folder.startsWith(each)))
      await rm(join(tmpdir(), folder), { recursive: true, force: true })
}
