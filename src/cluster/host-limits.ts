import { readFile } from 'node:fs/promises'
import { totalmem } from 'node:os'

import { ClusterTestError } from '../support/errors.ts'
import { formatBytes } from '../support/format.ts'

/** What the host offers to clusters. */
export interface HostLimits {
  /** Bytes of memory that programs can still get. */
  readonly freeMemory: number
  /** fs.inotify.max_user_instances; undefined where there is none. */
  readonly inotifyInstances: number | undefined
  /** fs.inotify.max_user_watches; undefined where there is none. */
  readonly inotifyWatches?: number | undefined
  /** Files that all processes together may have open, fs.file-max; undefined where there is none. */
  readonly systemFiles?: number | undefined
  /** Files that this process may have open, `ulimit -n`; undefined where it cannot be read. */
  readonly openFiles?: number | undefined
  /** Whether free memory falls when a container takes some: not where the engine has a machine of its own. */
  readonly isMeasured: boolean
}

/** Resolves to a file's text; undefined for one that does not exist. */
export type ReadText = (path: string) => Promise<string | undefined>

/** Bytes that a suite's cluster is counted with unless its option `memory` says otherwise: one node with CoreDNS and two small pods takes about 480 MB (k3s contract on Kubernetes 1.36). */
export const defaultClusterMemory = 700_000_000

/** Below these a cluster does not come up, or not reliably. */
export const leastInstances = 64
export const leastWatches = 2048
export const leastOpenFiles = 256

/** @param engineMemory bytes that the Docker engine's machine has */
export async function readHostLimits(engineMemory: number, read: ReadText = readText): Promise<HostLimits> {
  // On Docker Desktop, WSL and remote hosts the engine has a machine of its own, and what is free there cannot be read.
  const isHere = Math.abs(totalmem() - engineMemory) < engineMemory / 20
  const openFiles = openFilesOf(await read('/proc/self/limits'))
  if (!isHere) return { freeMemory: engineMemory, isMeasured: false, inotifyInstances: undefined, openFiles }
  const readNumber = async (path: string) => {
    const text = await read(path)
    return text === undefined ? undefined : Number(text)
  }
  return {
    freeMemory: availableMemory(await read('/proc/meminfo')) ?? engineMemory,
    isMeasured: true,
    inotifyInstances: await readNumber('/proc/sys/fs/inotify/max_user_instances'),
    inotifyWatches: await readNumber('/proc/sys/fs/inotify/max_user_watches'),
    systemFiles: await readNumber('/proc/sys/fs/file-max'),
    openFiles,
  }
}

/** @throws ClusterTestError `ERR_CLUSTER_NOT_ENOUGH_MEMORY` */
export function checkMemory(free: number, memory: number): void {
  if (free >= memory) return
  throw new ClusterTestError(
    'ERR_CLUSTER_NOT_ENOUGH_MEMORY',
    `The cluster needs ${formatBytes(memory)} of memory, but only ${formatBytes(Math.max(0, free))} are free.`,
    {
      hint: 'Stop other clusters and containers, give Docker more memory, or lower the option "memory" if the suite needs less.',
    },
  )
}

/**
 * Refuses a cluster that could not start, before anything is created.
 * @throws ClusterTestError `ERR_CLUSTER_HOST_LIMITS`
 */
export function checkHostLimits(limits: Omit<HostLimits, 'freeMemory' | 'isMeasured'>): void {
  // kubelet, containerd and each container runtime shim take several; k3d-io/k3d#1402 shows what happens below.
  if (limits.inotifyInstances !== undefined && limits.inotifyInstances < leastInstances) {
    throw new ClusterTestError(
      'ERR_CLUSTER_HOST_LIMITS',
      `The kernel allows ${limits.inotifyInstances} inotify instances per user, but a cluster needs at least ${leastInstances}: its nodes would never register.`,
      {
        hint: 'Raise it: sudo sysctl fs.inotify.max_user_instances=512',
      },
    )
  }
  if (limits.inotifyWatches !== undefined && limits.inotifyWatches < leastWatches) {
    throw new ClusterTestError(
      'ERR_CLUSTER_HOST_LIMITS',
      `The kernel allows ${limits.inotifyWatches} inotify watches per user, but a cluster needs at least ${leastWatches}.`,
      { hint: 'Raise it: sudo sysctl fs.inotify.max_user_watches=524288' },
    )
  }
  if (limits.openFiles !== undefined && limits.openFiles < leastOpenFiles) {
    throw new ClusterTestError(
      'ERR_CLUSTER_HOST_LIMITS',
      `This process may open ${limits.openFiles} files, but k3d and the connections to a cluster need at least ${leastOpenFiles}.`,
      { hint: 'Raise it in this terminal: ulimit -n 4096' },
    )
  }
}

/** MemAvailable counts what caches would give back (proc(5)). */
function availableMemory(meminfo = ''): number | undefined {
  const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1]
  return kilobytes ? Number(kilobytes) * 1024 : undefined
}

/** The soft limit, which counts. */
function openFilesOf(limits = ''): number | undefined {
  const value = /^Max open files\s+(\S+)/m.exec(limits)?.[1]
  return value === undefined ? undefined : value === 'unlimited' ? Infinity : Number(value)
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
