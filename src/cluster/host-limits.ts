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
}

/** Bytes that a suite's cluster is counted with unless its option `memory` says otherwise: one node with CoreDNS and two small pods takes about 480 MB (k3s contract on Kubernetes 1.36). */
export const defaultClusterMemory = 700_000_000

/** @param engineMemory bytes that the Docker engine's machine has */
export async function readHostLimits(engineMemory: number): Promise<HostLimits> {
  // On Docker Desktop, WSL and remote hosts the engine has a machine of its own, and what is free there cannot be read.
  const isHere = Math.abs(totalmem() - engineMemory) < engineMemory / 20
  return {
    freeMemory: (isHere ? await availableMemory() : undefined) ?? engineMemory,
    inotifyInstances: isHere ? await readNumber('/proc/sys/fs/inotify/max_user_instances') : undefined,
  }
}

/**
 * Refuses a cluster that could not start, before anything is created.
 * @throws ClusterTestError `ERR_CLUSTER_NOT_ENOUGH_MEMORY` or `ERR_CLUSTER_HOST_LIMITS`
 */
export function checkHostLimits(limits: HostLimits, memory: number): void {
  if (limits.freeMemory < memory) {
    throw new ClusterTestError(
      'ERR_CLUSTER_NOT_ENOUGH_MEMORY',
      `The cluster needs ${formatBytes(memory)} of memory and ${formatBytes(limits.freeMemory)} are free.`,
      {
        hint: 'Stop other clusters and containers, give Docker more memory, or lower the option "memory" if the suite needs less.',
      },
    )
  }
  // kubelet, containerd and each container runtime shim take several; k3d-io/k3d#1402 shows what happens below.
  if (limits.inotifyInstances !== undefined && limits.inotifyInstances < 64) {
    throw new ClusterTestError(
      'ERR_CLUSTER_HOST_LIMITS',
      `The kernel allows ${limits.inotifyInstances} inotify instances per user, and a cluster needs at least 64: nodes would never register.`,
      {
        hint: 'Raise it: sudo sysctl fs.inotify.max_user_instances=512',
      },
    )
  }
}

/** MemAvailable counts what caches would give back (proc(5)). */
async function availableMemory(): Promise<number | undefined> {
  const text = await readText('/proc/meminfo')
  const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(text ?? '')?.[1]
  return kilobytes ? Number(kilobytes) * 1024 : undefined
}

async function readNumber(path: string): Promise<number | undefined> {
  const text = await readText(path)
  return text === undefined ? undefined : Number(text)
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
