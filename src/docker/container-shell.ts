import { createInterface } from 'node:readline'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

import { whileWaiting, withDeadline } from '../support/deadline.ts'
import { ClusterTestError } from '../support/errors.ts'
import { quote } from '../support/sh.ts'
import type { ShellScript } from '../support/shell-script.ts'
import { type Docker, isNotFound } from './docker.ts'

/**
 * A shell that goes on in a running container and runs scripts at the same time: a new `docker exec` takes some 50 ms
 * each, what this one starts takes 1 ms. In a container that was restarted the next script gets a new one.
 */
export interface ContainerShell extends AsyncDisposable {
  /**
   * Runs a script of sh and resolves to what it printed. Rejects when its exit code is not 0, when it takes longer than so many
   * milliseconds, and as soon as its container is seen to be paused.
   */
  run(script: ShellScript, options: { readonly timeout: number }): Promise<string>
  /**
   * Starts a script that goes on, and calls back for each line that it prints. It has to be ended by another script;
   * `onLost` is called when the container stops.
   */
  start(script: ShellScript, onLine: (line: string) => void, onLost: (error: unknown) => void): void
  /**
   * Has scripts run when this process dies, however it does: Docker ends the shell's input then. None any more when there are none.
   * @param key of what they undo
   */
  atEnd(key: string, scripts: readonly ShellScript[]): void
  /** Whether the container can do anything: it runs, and is not paused. */
  isActive(): Promise<boolean>
}

/** Milliseconds that opening a shell takes at the most. */
const openTimeout = 30_000

/** Milliseconds without an answer after which the container's state is looked at: one that is paused gives none. */
const lookInterval = 250

/** @param setup what the shell does first, such as to export variables for all scripts */
export async function startContainerShell(docker: Docker, container: string, setup: ShellScript): Promise<ContainerShell> {
  const open = () => {
    const what = `Opening a shell in container "${container}"`
    return withDeadline({ limit: openTimeout, code: 'ERR_DOCKER_REQUEST_FAILED', what }, (signal) =>
      whileWaiting(openShell(docker, container, setup), signal),
    )
  }
  let shell = await open()
  let opening: Promise<Shell> | undefined
  const current = async () => {
    if (!shell.isClosed()) return shell
    opening ??= open().finally(() => (opening = undefined))
    return (shell = await opening)
  }
  const isActive = async () => {
    try {
      const { Running, Paused } = (await docker.engine.getContainer(container).inspect()).State
      return Running && !Paused
    } catch (error) {
      if (isNotFound(error)) return false
      throw error
    }
  }
  const whenInactive = async (signal: AbortSignal): Promise<never> => {
    do await sleep(lookInterval, undefined, { signal })
    while (await isActive())
    throw new ClusterTestError('ERR_DOCKER_REQUEST_FAILED', `Container "${container}" is paused or has stopped.`)
  }
  return {
    run: (script, { timeout }) =>
      withDeadline(
        {
          ...{ limit: timeout, code: 'ERR_DOCKER_REQUEST_FAILED', what: `Script "${script.name}" in container "${container}"` },
          hint: 'Look whether the machine is overloaded: docker stats.',
        },
        async (signal) => {
          const stop = new AbortController()
          try {
            const answer = (await current()).run(script)
            return await whileWaiting(Promise.race([answer, whenInactive(stop.signal)]), signal)
          } finally {
            stop.abort()
          }
        },
      ),
    start: (script, onLine, onLost) => void current().then((opened) => opened.start(script, onLine, onLost), onLost),
    atEnd: (key, scripts) =>
      void current().then(
        (opened) => opened.atEnd(key, scripts),
        // A container that has stopped has nothing to undo.
        () => undefined,
      ),
    isActive,
    [Symbol.asyncDispose]: () => shell[Symbol.asyncDispose](),
  }
}

interface Shell extends Pick<ContainerShell, 'start' | 'atEnd'>, AsyncDisposable {
  run(script: ShellScript): Promise<string>
  isClosed(): boolean
}

async function openShell(docker: Docker, container: string, setup: ShellScript): Promise<Shell> {
  const exec = await docker.engine.getContainer(container).exec({ Cmd: ['sh'], AttachStdin: true, AttachStdout: true, AttachStderr: true })
  const stream = await exec.start({ hijack: true, stdin: true })
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  docker.engine.modem.demuxStream(stream, stdout, stderr)
  stderr.resume()
  const listeners = new Map<string, { line(text: string): void; end(code: number): void; lost(error: Error): void }>()
  const lost = () => {
    const error = new ClusterTestError(
      'ERR_DOCKER_REQUEST_FAILED',
      `The shell in container "${container}" ended: the container may have been stopped.`,
    )
    for (const each of listeners.values()) each.lost(error)
    listeners.clear()
  }
  let isClosed = false
  const closed = new Promise<void>((resolve) =>
    stream.once('close', () => {
      isClosed = true
      stdout.end()
      lost()
      resolve()
    }),
  )
  stream.on('error', () => stream.destroy())
  // Every line says which script printed it: `7 text`, and `7! 0` for its end.
  createInterface(stdout).on('line', (line) => {
    const [, id = '', end, rest = ''] = /^(\d+)(!?) ?(.*)$/.exec(line) ?? []
    const listener = listeners.get(id)
    if (end) {
      listeners.delete(id)
      listener?.end(Number(rest))
    } else listener?.line(rest)
  })

  stream.write(`{ ${setup.text}\n} >/dev/null 2>&1 </dev/null\n`)
  // The scripts stand in variables of the shell, so that they need no file that somebody would have to remove.
  stream.write(`trap 'for each in $at_end; do eval "sh -c \\"\\$$each\\"" >/dev/null 2>&1 </dev/null; done' EXIT\n`)
  const atEnd = new Map<string, readonly string[]>()
  let last = 0
  const send = ({ text }: ShellScript, listener: { line(text: string): void; end(code: number): void; lost(error: Error): void }) => {
    const id = String(++last)
    if (isClosed)
      return listener.lost(new ClusterTestError('ERR_DOCKER_REQUEST_FAILED', `The shell in container "${container}" has ended.`))
    listeners.set(id, listener)
    stream.write(
      // jobs lets go of those that have ended: each would stay a zombie.
      `jobs >/dev/null 2>&1; { { sh -c ${quote(text)} </dev/null 2>&1; echo "! $?"; } | while IFS= read -r line; do case $line in "! "*) echo "${id}$line" ;; *) echo "${id} $line" ;; esac; done; } &\n`,
    )
  }

  return {
    isClosed: () => isClosed,
    run: (script) =>
      new Promise((resolve, reject) => {
        const lines: string[] = []
        send(script, {
          line: (text) => lines.push(text),
          end: (code) => {
            if (code === 0) return resolve(lines.join('\n'))
            reject(
              new ClusterTestError(
                'ERR_DOCKER_REQUEST_FAILED',
                `Script "${script.name}" in container "${container}" ended with exit code ${code}: ${lines.slice(-5).join('\n') || 'it printed nothing'}`,
              ),
            )
          },
          lost: reject,
        })
      }),
    atEnd(key, scripts) {
      if (isClosed) return
      const old = atEnd.get(key) ?? []
      const names = scripts.map((_, index) => `at_end_${key.replaceAll(/\W/g, '_')}_${index}`)
      atEnd.set(key, names)
      const set = scripts.map(({ text }, index) => `${names[index]}=${quote(text)}`)
      const unset = old.filter((name) => !names.includes(name)).map((name) => `unset ${name}`)
      stream.write(`${[...set, `at_end='${[...atEnd.values()].flat().join(' ')}'`, ...unset].join('; ')}\n`)
    },
    start: (script, onLine, onLost) => send(script, { line: onLine, end: () => {}, lost: onLost }),
    async [Symbol.asyncDispose]() {
      stream.end()
      stream.destroy()
      await closed
    },
  }
}
