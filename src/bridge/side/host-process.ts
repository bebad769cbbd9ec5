import { spawn } from 'node:child_process'
import { stat } from 'node:fs/promises'

import { ownerEnv } from '../../cluster/ownership/processes.ts'
import { ClusterTestError, type ErrorCode, messageOf } from '../../support/errors.ts'
import { lastLines } from '../../support/format.ts'
import { poll } from '../../support/poll.ts'
import type { BridgeParts } from '../parts.ts'
import type { PortMapping } from '../rules/ports.ts'
import type { Forward } from '../rules/rules.ts'
import { namesForProcess } from './host-env.ts'
import { forwardPorts, listensOn } from './host-forwards.ts'
import { readHostListeners } from './host-listeners.ts'
import type { Listener } from './member.ts'
import { trackGroup } from './process-group.ts'

export interface HostProcessOptions {
  readonly command: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly ports: readonly PortMapping[]
  readonly namespace: string
  readonly timeout: number
  readonly signal: AbortSignal
}

/** What a process has of its cluster. */
export type ProcessParts = Pick<BridgeParts, 'reach' | 'owner' | 'addresses' | 'addressesFile' | 'trackChild' | 'onLocal' | 'onProblem'>

export interface HostProcess extends AsyncDisposable {
  readonly forwards: readonly Forward[]
  output(): string
}

/** Starts a program on the host and resolves when it listens, and the cluster's network can reach it. */
export async function startHostProcess(parts: ProcessParts, options: HostProcessOptions): Promise<HostProcess> {
  const { command, cwd, ports } = options
  refuseBusyPort(command.join(' '), ports, await readHostListeners(ports))
  await checkFolder(cwd, command.join(' '))
  await using cleanup = new AsyncDisposableStack()
  const program = cleanup.use(startProgram(parts, options))
  const listeners = await untilListening(program, options)
  const { addresses } = await parts.reach()
  const forwards = await forwardPorts(ports, { program: program.text, listeners, addresses, cleanup })
  const owned = cleanup.move()
  let isWanted = true
  const onEnd = (why: string) => (parts.onLocal ? parts.onLocal.ended(why) : parts.onProblem(endedEarly(program, why)))
  void program.ended.then((why) => isWanted && onEnd(why))
  return {
    forwards,
    output: () => program.output(),
    async [Symbol.asyncDispose]() {
      isWanted = false
      await owned.disposeAsync()
    },
  }
}

function refuseBusyPort(text: string, ports: readonly PortMapping[], listeners: readonly Listener[]): void {
  const busy = ports.find((port) => port.local > 0 && listeners.some(listensOn(port)))
  if (!busy) return
  throw new ClusterTestError('ERR_BRIDGE_LOCAL_FAILED', `Port ${busy.local}, on which "${text}" is to listen, is in use on this machine.`, {
    hint: `Find the process that uses it: ss -lptn 'sport = :${busy.local}'. Or make the command listen on another port, with ports: { ${busy.port}: … }.`,
  })
}

/** Node.js says of both that the program does not exist. */
async function checkFolder(cwd: string, text: string): Promise<void> {
  const found = await stat(cwd).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
  if (found?.isDirectory()) return
  throw new ClusterTestError(
    'ERR_BRIDGE_LOCAL_FAILED',
    `Command "${text}" cannot be started in "${cwd}": ${found ? 'that is no folder' : 'the folder does not exist'}.`,
    { hint: 'Option `cwd` is relative to the test file.' },
  )
}

/** Disposal ends it, with all that it has started. */
interface Program extends AsyncDisposable {
  /** As the user wrote it, for errors. */
  readonly text: string
  /** How it has ended; undefined as long as it runs. */
  readonly ending: string | undefined
  readonly ended: Promise<string>
  /** Why there never was a process. */
  readonly notStarted: ClusterTestError | undefined
  /** The end of what it has printed. */
  output(): string
}

function startProgram(parts: ProcessParts, { command, cwd, env, namespace }: HostProcessOptions): Program {
  const child = spawn(command[0]!, command.slice(1), {
    cwd,
    env: { ...process.env, ...namesForProcess(command, env, parts, namespace), ...ownerEnv(parts.owner) },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: npm and watchers start further processes.
    detached: true,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output = (output + chunk).slice(-100_000)
      parts.onLocal?.output(chunk)
    })
  let ending: string | undefined
  let notStarted: ClusterTestError | undefined
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => {
      notStarted = cannotStart(command, error)
      resolve((ending ??= `could not be started: ${error.message}`))
    })
    child.once('close', (code, by) => resolve((ending ??= by ? `was ended by ${by}` : `ended with exit code ${code}`)))
  })
  const owned = new AsyncDisposableStack()
  if (child.pid) {
    // Whoever has left the group may hold the pipes for ever.
    owned.defer(() => [child.stdout, child.stderr].forEach((stream) => stream.destroy()))
    const exited = new Promise((resolve) => child.once('exit', resolve))
    owned.use(trackGroup({ pid: child.pid, ended: exited, track: parts.trackChild }))
  }
  return {
    text: command.join(' '),
    get ending() {
      return ending
    },
    ended,
    get notStarted() {
      return notStarted
    },
    output: () => output,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function cannotStart(command: readonly string[], cause: NodeJS.ErrnoException): ClusterTestError {
  const why = cause.code === 'ENOENT' ? `there is no program "${command[0]}"` : messageOf(cause)
  return new ClusterTestError('ERR_BRIDGE_LOCAL_FAILED', `Command "${command.join(' ')}" could not be started: ${why}.`, {
    cause,
    hint: 'It is looked up on PATH, and a path of its own is relative to `cwd`. There is no shell: for pipes and variables say ["sh", "-c", "…"].',
  })
}

/** Resolves to all listeners of this machine when the program has one for each port. */
async function untilListening(
  program: Program,
  { ports, timeout, signal }: Pick<HostProcessOptions, 'ports' | 'timeout' | 'signal'>,
): Promise<readonly Listener[]> {
  const deadline = performance.now() + timeout
  return poll(
    async () => {
      // Before its listeners are read: it may end in between.
      const { ending } = program
      const listeners = await readHostListeners(ports)
      const missing = ports.filter((port) => !listeners.some(listensOn(port)))
      if (missing.length === 0) return listeners
      if (program.notStarted) throw program.notStarted
      if (ending !== undefined) throw notListening('ERR_BRIDGE_LOCAL_FAILED', program, `${ending} before it listened`, missing)
      if (performance.now() > deadline)
        throw notListening('ERR_BRIDGE_NOT_LISTENING', program, `did not listen within ${timeout} ms`, missing)
      return undefined
    },
    { interval: 25, signal },
  )
}

function notListening(code: ErrorCode, program: Program, why: string, missing: readonly PortMapping[]): ClusterTestError {
  const tail = lastLines(program.output())
  return new ClusterTestError(
    code,
    `Command "${program.text}" ${why} on port ${missing.map(({ local }) => local).join(', ')}.${tail && `\n${tail}`}`,
    { hint: "Map the pods' ports to the ports it listens on: ports: { 8080: 3000 }." },
  )
}

function endedEarly(program: Program, why: string): ClusterTestError {
  const tail = lastLines(program.output())
  return new ClusterTestError('ERR_BRIDGE_LOCAL_FAILED', `Command "${program.text}" ${why} while it was bridged.${tail && `\n${tail}`}`)
}
