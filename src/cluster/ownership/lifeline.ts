import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import type { Docker } from '../../docker/docker.ts'

/** A process of its own that removes everything of a run when the run's process dies, however it dies, and what it kept when its time is over. */
export interface Lifeline extends Disposable {
  /** A child of ours that must not outlive us, since it would create what nobody removes. */
  trackChild(event: 'started' | 'ended', pid: number): void
  /** It is to remove the clusters that are kept when their time is over, also after the run's end. */
  stay(): void
}

/**
 * Starts the lifeline for a run. It holds the other end of a pipe: the kernel closes that with us. It is in a session of
 * its own and so gets no Ctrl-C, and it is not waited for.
 * @param docker undefined for a run that has nothing there but children
 */
export function startLifeline(docker: Pick<Docker, 'env'> | undefined, run: string): Lifeline {
  const script = fileURLToPath(new URL(`./lifeline-process${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url))
  // Without NODE_OPTIONS, which may hold a debugger or a loader that is not for it.
  const { NODE_OPTIONS: _, ...env } = process.env
  const child = spawn(process.execPath, [script, run, ...(docker ? [] : ['children'])], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { ...env, ...docker?.env },
  })
  child.unref()
  // Without it, prune at the next start does its work.
  child.on('error', () => {})
  const pipe = child.stdin as typeof child.stdin & { unref?(): void }
  pipe.unref?.()
  // It may be gone before us, when somebody kills all processes of a terminal; the next run's prune does its work then.
  pipe.on('error', () => {})
  return {
    trackChild: (event, pid) => void pipe.write(`${event} ${pid}\n`),
    stay: () => void pipe.write('stay\n'),
    [Symbol.dispose]: () => void pipe.end('done\n'),
  }
}
