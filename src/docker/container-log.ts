import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'

import type Dockerode from 'dockerode'

import { messageOf } from '../support/errors.ts'
import { lastLines } from '../support/format.ts'
import { isNotFound } from './docker.ts'

/** What a container prints, both outputs; goes on until it ends when it follows. */
export async function streamContainerLog(
  target: Dockerode.Container,
  { tail, follow, abortSignal }: { readonly tail: number | undefined; readonly follow: boolean; readonly abortSignal?: AbortSignal },
): Promise<Readable> {
  const options = { stdout: true, stderr: true, ...(tail !== undefined && { tail }), ...(abortSignal && { abortSignal }) }
  // dockerode gives all at once unless it follows.
  const raw = follow
    ? ((await target.logs({ ...options, follow: true })) as unknown as Readable)
    : Readable.from(inPieces(await target.logs({ ...options, follow: false })))
  const both = new PassThrough()
  ;(target.modem as Dockerode['modem']).demuxStream(raw, both, both)
  raw.once('end', () => both.end())
  raw.once('error', (error) => both.destroy(error))
  return both
}

export interface ContainerState {
  readonly isRunning: boolean
  /** `runs`, or how it has ended. */
  readonly state: string
  /** The last lines that it printed, on lines of their own; empty where it printed nothing. */
  readonly tail: () => Promise<string>
}

/** How a container is, for an error about it. */
export async function readContainerState(target: Dockerode.Container): Promise<ContainerState> {
  const inspected = await target.inspect().catch((error: unknown) => {
    if (!isNotFound(error)) throw error
    return undefined
  })
  if (!inspected) return { isRunning: false, state: 'is gone', tail: async () => '' }
  const { State } = inspected
  const state = State.Running ? 'runs' : State.OOMKilled ? 'was killed for using too much memory' : `ended with exit code ${State.ExitCode}`
  return { isRunning: State.Running, state, tail: () => readTail(target) }
}

async function readTail(target: Dockerode.Container): Promise<string> {
  const read = async () => text(await streamContainerLog(target, { tail: 20, follow: false }))
  // No log of a container whose driver keeps none, for instance.
  const log = lastLines(await read().catch((error: unknown) => `(no log: ${messageOf(error)})`))
  return log && `\n${log}`
}

/** docker-modem takes a piece apart by recursion, line by line: a large one would exceed the stack (docker-modem 5.0). */
function* inPieces(bytes: Buffer): Generator<Buffer> {
  for (let start = 0; start < bytes.length; start += 16_384) yield bytes.subarray(start, start + 16_384)
}
