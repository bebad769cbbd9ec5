import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

import { randomId, slug } from '../../support/identity.ts'

/** Who owns the resources of a run: one process, told apart from later ones with the same number. */
export interface Owner {
  /** Short and unique: the part of every name and the value of label `vitest-kubernetes.run`. */
  readonly run: string
  readonly labels: Readonly<Record<string, string>>
}

export const runLabel = 'vitest-kubernetes.run'
export const ownerLabel = 'vitest-kubernetes.owner'
export const clusterLabel = 'vitest-kubernetes.cluster'
/** Name of the suite, for people; on the cluster's network. */
export const suiteLabel = 'vitest-kubernetes.suite'
/** Milliseconds since 1970 until which a cluster is kept: of a volume that is made when that is decided, since labels of a container never change. */
export const expiresLabel = 'vitest-kubernetes.expires'
/** Of a stack that is up: its name and its file, as JSON, beside `expiresLabel`. */
export const stackLabel = 'vitest-kubernetes.stack'
/** Path of a kept cluster's kubeconfig on the host that kept it. */
export const kubeconfigLabel = 'vitest-kubernetes.kubeconfig'

/** Start of the name of a run's private folder, in the folder for temporary files. */
export function folderPrefix(run: string): string {
  return `vitest-kubernetes-${run}-`
}

/** k3d allows 32 characters (DefaultClusterNameMaxLength, k3d 5.9.0). */
export function clusterName(run: string, rest: string): string {
  return `vk-${run}-${rest}`
}

/** @param label for people */
export function newClusterName({ run }: Owner, label: string): string {
  return clusterName(run, `${slug(label, 14)}-${randomId(2)}`)
}

export function createOwner(): Owner {
  const run = randomId()
  const identity: Identity = {
    host: hostname(),
    boot: bootId(),
    namespace: pidNamespace(),
    pid: process.pid,
    started: startTime(process.pid) ?? '',
  }
  return {
    run,
    labels: {
      [runLabel]: run,
      [ownerLabel]: `${identity.host}/${identity.boot}/${identity.namespace}/${identity.pid}/${identity.started}`,
    },
  }
}

/**
 * Whether the process that set this owner label can no longer clean up after itself: of this host, and ended or from
 * before a reboot. Processes of other hosts or in other containers, and labels that are not ours, are taken to live.
 */
export function isOwnerDead(label: string): boolean {
  const [host, boot, namespace, pid, started] = label.split('/')
  if (host !== hostname() || !started) return false
  if (boot === bootId() && namespace !== pidNamespace()) return false
  return boot !== bootId() || startTime(Number(pid)) !== started
}

export type OwnerState = 'alive' | 'dead' | 'elsewhere'

/** Who an owner label speaks of. `elsewhere`: of another host or container, so nobody here can tell whether it lives. */
export function describeOwner(label: string): { readonly host: string; readonly pid: number; readonly state: OwnerState } {
  const [host = '', boot, namespace, pid] = label.split('/')
  const isDead = isOwnerDead(label)
  const isHere = host === hostname() && boot === bootId() && namespace === pidNamespace()
  return { host, pid: Number(pid), state: isDead ? 'dead' : isHere ? 'alive' : 'elsewhere' }
}

interface Identity {
  readonly host: string
  readonly boot: string
  readonly namespace: string
  readonly pid: number
  readonly started: string
}

/** Changes with each boot. Linux: /proc (proc(5)); elsewhere the host's name has to do. */
function bootId(): string {
  return readProc('/proc/sys/kernel/random/boot_id')?.trim() ?? 'unknown'
}

/** Pids mean something within one namespace only: a container may have the host's name, and other processes (pid_namespaces(7)). */
function pidNamespace(): string {
  return process.platform === 'linux' ? readlinkSync('/proc/self/ns/pid').replaceAll(/\D/g, '') : '-'
}

/**
 * Field 22 of /proc/PID/stat (proc(5)): a number that no later process with the same pid repeats. undefined for a process that
 * does not run, also for one that has ended and that nobody has asked about yet (states Z and X).
 */
export function startTime(pid: number): string | undefined {
  const stat = readProc(`/proc/${pid}/stat`)
  const [state = 'X', ...fields] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? []
  if (!'ZX'.includes(state)) return fields[18]
  if (process.platform === 'linux') return undefined
  try {
    process.kill(pid, 0)
    return 'running'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? 'running' : undefined
  }
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}
