import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

import { listPids } from '../../support/list-pids.ts'
import { sendSignal } from '../../support/send-signal.ts'

export interface GroupOptions {
  readonly pid: number
  /** Resolves when the process itself has ended. */
  readonly ended: Promise<unknown>
  /** Told of the group, as a negative number, so that none of it outlives the run. */
  readonly track: (event: 'started' | 'ended', pid: number) => void
  /** Milliseconds that they get to end when they are asked to. @default 5_000 */
  readonly patience?: number
}

/**
 * A process that leads a group, with all that it has started. Disposal ends them, also those that outlive it or take no
 * notice of SIGTERM.
 */
export function trackGroup({ pid, ended, track, patience = 5_000 }: GroupOptions): AsyncDisposable {
  // The number of a group is taken as long as one of its processes is there; then it may be another's.
  let isGone = false
  track('started', -pid)
  const look = async () => {
    if (isGone || (await isAlive(pid))) return
    if (!isGone) track('ended', -pid)
    isGone = true
  }
  const looked = ended.then(look)
  return {
    async [Symbol.asyncDispose]() {
      if (!isGone) sendSignal(-pid, 'SIGTERM')
      const deadline = performance.now() + patience
      while (!isGone && performance.now() < deadline) {
        await look()
        if (!isGone) await sleep(20)
      }
      if (!isGone) {
        sendSignal(-pid, 'SIGKILL')
        track('ended', -pid)
      }
      await ended
      await looked
    },
  }
}

/** Processes that have ended, and that nobody has asked about, do not count: in a container there may be nobody to ask. */
async function isAlive(group: number): Promise<boolean> {
  if (!sendSignal(-group, 0)) return false
  if (process.platform !== 'linux') return true
  const states = await Promise.all((await listPids()).map(readState))
  return states.some((each) => each?.group === group && !'ZX'.includes(each.state))
}

/** proc_pid_stat(5): the program's name may contain anything, also parentheses. undefined when the process has gone meanwhile. */
async function readState(pid: number): Promise<{ readonly state: string; readonly group: number } | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    const [state = '', , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { state, group: Number(group) }
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}
