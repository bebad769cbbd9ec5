import { spawn } from 'node:child_process'
import { constants } from 'node:os'

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Runs a command in our place: same terminal, same signals, same end. */
export function runInForeground(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, ...env } })
    for (const signal of FORWARDED) {
      process.on(signal, () => {
        // A terminal sends Ctrl-C to the whole group: the child has it already.
        if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
      })
    }
    child.on('error', (cause) => reject(new Error(`"${command}" could not be started.`, { cause })))
    child.on('exit', (code, signal) => {
      process.exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal]
      resolve()
    })
  })
}
