import { readFile, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

import { listPids } from '../../support/list-pids.ts'
import { sendSignal } from '../../support/send-signal.ts'
import { type Owner, folderPrefix, isOwnerDead, ownerLabel, startTime } from './owner.ts'

/** A process on this machine that a run has started, or that such a one has. */
export interface OwnedProcess {
  readonly pid: number
  readonly run: string
  /** Owner label of the run. */
  readonly owner: string
  /** As the process shows it, for people. */
  readonly command: string
}

const variable = 'VITEST_KUBERNETES_OWNER'

/** For the environment of a process that must not outlive the run: whatever it starts inherits it, so that later runs can tell whose they are. */
export function ownerEnv({ run, labels }: Owner): Readonly<Record<string, string>> {
  return { [variable]: `${run} ${labels[ownerLabel]}` }
}

/**
 * Processes of runs that died before they could clean up: their folder is still there. A run that has cleaned up, or its lifeline for
 * it, has ended all but those that left on purpose, such as a build daemon. Empty on systems without /proc, where the cluster does not
 * reach processes of the host anyway (Docker Desktop).
 */
export async function findDeadProcesses(): Promise<readonly OwnedProcess[]> {
  const folders = await readdir(tmpdir())
  const processes = await listProcesses()
  return processes.filter(({ run, owner }) => isOwnerDead(owner) && folders.some((name) => name.startsWith(folderPrefix(run))))
}

/** Ends those of a dead run, and what they start meanwhile. */
export async function endDeadProcesses(run: string): Promise<void> {
  // A signal takes its time, and nothing ends a process that the kernel waits in.
  for (let rounds = 0; rounds < 100; rounds++) {
    const left = (await findDeadProcesses()).filter((each) => each.run === run)
    if (left.length === 0) return
    for (const { pid } of left) sendSignal(pid, 'SIGKILL')
    await sleep(20)
  }
}

async function listProcesses(): Promise<readonly OwnedProcess[]> {
  if (process.platform !== 'linux') return []
  const found = await Promise.all((await listPids()).map(readOwned))
  return found.flatMap((each) => each ?? [])
}

/** proc_pid_environ(5): as it was when the program was started. */
async function readOwned(pid: number): Promise<OwnedProcess | undefined> {
  try {
    const environ = await readFile(`/proc/${pid}/environ`, 'utf8')
    const mark = environ.split('\0').find((each) => each.startsWith(`${variable}=`))
    const [run, owner] = mark?.slice(variable.length + 1).split(' ') ?? []
    if (!run || !owner || startTime(pid) === undefined) return undefined
    const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ').trim()
    return { pid, run, owner, command }
  } catch (error) {
    // Another user's, or one that has ended meanwhile.
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}
