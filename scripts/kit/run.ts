import { type ChildProcess, spawn } from 'node:child_process'

export interface RunOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  readonly input?: string
  readonly timeout?: number
}

const SHOWN_LINES = 20
const running = new Set<ChildProcess>()

/** A set-up that is interrupted must not leave a build behind that goes on and competes with the next one. */
export function stopRunningCommands(): void {
  for (const child of running) child.kill('SIGTERM')
}

/** Runs a command and resolves with its standard output. Rejects with the last lines of everything it wrote. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const stdout: Buffer[] = []
    const everything: Buffer[] = []
    const child = spawn(command, args, {
      ...(options.cwd !== undefined && { cwd: options.cwd }),
      ...(options.timeout !== undefined && { timeout: options.timeout, killSignal: 'SIGKILL' as const }),
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    running.add(child)
    child.stdout.on('data', (chunk: Buffer) => {
      stdout.push(chunk)
      everything.push(chunk)
    })
    child.stderr.on('data', (chunk: Buffer) => everything.push(chunk))
    // A command that ends before it has read its input says why by its exit code.
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
    child.on('error', (cause) => reject(new Error(`"${command}" could not be started.`, { cause })))
    child.on('close', (code, signal) => {
      running.delete(child)
      if (code === 0) return resolve(Buffer.concat(stdout).toString())
      const end = signal === null ? `exit code ${code}` : `signal ${signal}`
      reject(new Error(`"${[command, ...args].join(' ')}" ended with ${end}.\n${lastLines(Buffer.concat(everything).toString())}`))
    })
  })
}

function lastLines(output: string): string {
  const lines = output.trimEnd().split('\n').slice(-SHOWN_LINES)
  return lines.map((line) => `    ${line}`).join('\n')
}
