import { type ChildProcess, spawn } from 'node:child_process'
import { readFile, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'

import { onTestFinished } from 'vitest'

import { connectDocker } from '../docker/docker.ts'
import { listByLabel } from '../docker/remove.ts'

const root = new URL('../../', import.meta.url).pathname

/** A vitest of its own with the suites of fixtures/suites, as a user would start it in a terminal. */
export interface VitestRun {
  readonly child: ChildProcess
  /** What it has printed so far, both outputs. */
  output(): string
  /** Resolves once the output contains the text; rejects when that takes more than 100 s. */
  prints(text: string): Promise<void>
  /** What it prints from now on. */
  forget(): void
  readonly ended: Promise<{ readonly exitCode: number | null; readonly output: string }>
}

export interface RunVitestOptions {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** @default fixtures/suites */
  readonly folder?: string
  /** @default 'run' */
  readonly command?: 'run' | 'list'
  /** The package. @default that of this project */
  readonly vitest?: string
  /** Begins the command line. @default [] */
  readonly enter?: readonly string[]
}

export function runVitest(
  suite: string,
  { args = [], env = {}, folder = `${root}fixtures/suites`, command = 'run', vitest = ownVitest, enter = [] }: RunVitestOptions = {},
): VitestRun {
  const line = [...enter, process.execPath, join(vitest, 'vitest.mjs'), command, '--root', folder, ...(suite ? [suite] : []), ...args]
  return start(line[0]!, line.slice(1), env)
}

/** In watch mode, in a terminal: what is written to the standard input of `child` are its keys. Ends with the test, however that ends. */
export function watchVitest(folder: string, args: readonly string[] = []): VitestRun {
  const command = [process.execPath, join(ownVitest, 'vitest.mjs'), 'watch', '--root', folder, ...args].map((each) => `'${each}'`).join(' ')
  const run = start('script', ['--quiet', '--return', '--flush', '--command', `exec ${command}`, '/dev/null'], {})
  onTestFinished(async () => {
    if (run.child.kill('SIGTERM')) await run.ended
  })
  return run
}

const ownVitest = `${root}node_modules/vitest`

function start(program: string, args: readonly string[], env: Readonly<Record<string, string>>): VitestRun {
  // Variables of the outer vitest would make the inner one take itself for a worker.
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(VITEST|TEST$|NODE_ENV|NODE_OPTIONS|CI$|DEV$|PROD$|MODE$)(?!_KUBERNETES)/.test(name)),
  )
  const child = spawn(program, args, {
    env: { ...inherited, NO_COLOR: '1', ...env },
    stdio: [program === 'script' ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    // A process group of its own, for signals that reach the whole group as Ctrl-C does.
    detached: true,
  })
  let text = ''
  const waiting = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream!.setEncoding('utf8').on('data', (chunk: string) => {
      text += stripVTControlCharacters(chunk)
      for (const look of waiting) look()
    })
  }
  const ended = new Promise<{ exitCode: number | null; output: string }>((resolve) =>
    child.once('close', (exitCode) => resolve({ exitCode, output: text })),
  )
  return {
    child,
    output: () => text,
    forget: () => void (text = ''),
    ended,
    async prints(wanted) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const fail = (what: string) => reject(new Error(`vitest ${what} and did not print "${wanted}":\n${text}`))
      const look = () => void (text.includes(wanted) && resolve())
      const limit = setTimeout(() => fail('runs for 100 s'), 100_000)
      void ended.then(() => fail('ended'))
      waiting.add(look)
      look()
      try {
        await promise
      } finally {
        waiting.delete(look)
        clearTimeout(limit)
      }
    },
  }
}

/** Everything on this machine that a run left, by the run's id as its cluster names show it; empty when nothing. */
export async function findTraces(printed: string): Promise<readonly string[]> {
  // It may have removed what others left.
  const output = printed.replaceAll(/^.*removed what dead runs left.*$/gm, '')
  const names = [...new Set(output.match(/vk-[0-9a-f]{6}-[a-z0-9-]+/g))]
  const run = names[0]?.split('-')[1]
  if (!run) throw new Error(`The run named no cluster:\n${output}`)
  const docker = await connectDocker()
  const { containers, networks, volumes } = await listByLabel(docker, [
    `vitest-kubernetes.run=${run}`,
    ...names.map((name) => `k3d.cluster=${name}`),
  ])
  const folders = (await readdir(tmpdir())).filter((name) => name.startsWith(`vitest-kubernetes-${run}`))
  return [...containers, ...networks, ...volumes, ...folders, ...(await listProcesses(run))]
}

async function listProcesses(run: string): Promise<readonly string[]> {
  return (await readCommands()).filter(({ command }) => command.includes(run)).map(({ command }) => command)
}

/** Processes whose command line contains the text. */
export async function findPids(text: string): Promise<readonly number[]> {
  return (await readCommands()).filter(({ command }) => command.includes(text)).map(({ pid }) => pid)
}

async function readCommands(): Promise<readonly { readonly pid: number; readonly command: string }[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  // A process may end while it is looked at.
  const commands = await Promise.all(
    pids.map(async (pid) => ({ pid, command: (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ') })),
  )
  return commands.filter(({ command }) => command !== '')
}
