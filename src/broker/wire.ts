import type { Socket } from 'node:net'

import { type BirpcReturn, createBirpc } from 'birpc'

import { ClusterTestError, type SerializedClusterTestError, deserializeError, serializeError } from '../support/errors.ts'
import type { Redact } from '../support/redact.ts'
import { createCodec } from './codec.ts'
import { writeFrame } from './frames.ts'

interface WireOptions<Local extends object> {
  /** What the other side may call at this moment. */
  readonly functions: () => Partial<Local>
  /** Of the error that calls get when the connection ends. */
  readonly lost: string
  /** Aborts the signals of calls from the other side. @default none does */
  readonly signal?: AbortSignal
  /** For the texts of errors that leave. @default as they are */
  readonly redact?: Redact
}

export interface Wire<Remote extends object> {
  /** The functions of the other side. An AbortSignal among the arguments aborts the call there. */
  readonly remote: Remote
  /** To be called with each frame. */
  readonly receive: (content: Buffer) => Promise<void>
}

/** What both sides have besides their own functions. */
interface Control {
  abortCall(id: string, reason: SerializedClusterTestError): void
}

/** Calls of functions over a connection, in both directions and at the same time. When the connection ends, so do they all. */
export function openWire<Remote extends object, Local extends object>(
  socket: Socket,
  { functions, lost, signal = new AbortController().signal, redact }: WireOptions<Local>,
): Wire<Remote> {
  const connectionLost = () => new ClusterTestError('ERR_BROKER_CONNECTION_LOST', lost)
  // It travels behind the call, and never comes too early.
  const sendAbort = (id: string, reason: unknown) => void control.$callEvent('abortCall', id, serializeError(reason)).catch(ignoreLost)
  const codec = createCodec({ sendAbort, signal, redact })
  const own: Control = { abortCall: (id, reason) => codec.abort(id, deserializeError(reason)) }
  let onMessage: (content: Buffer) => unknown
  const rpc = createBirpc<Remote & Control, Control>(own, {
    // Everything has a deadline of its own.
    timeout: -1,
    serialize(message) {
      if (!socket.writable) throw connectionLost()
      return codec.serialize(message)
    },
    deserialize: (content) => codec.deserialize(content),
    post: (content: Buffer) => writeFrame(socket, content),
    on: (listener) => (onMessage = listener),
    resolver: (name) => functionOf({ ...own, ...functions() }, name),
    // An answer that cannot be sent becomes an error for who waits for it.
    onGeneralError: (_, name) => name !== undefined,
  })
  const control = rpc as unknown as BirpcReturn<Control>
  socket.once('close', () => {
    codec.abortAll(connectionLost())
    void rpc.$rejectPendingCalls(({ reject }) => reject(connectionLost()))
  })
  return {
    remote: rpc as unknown as Remote,
    async receive(content) {
      try {
        await onMessage(content)
      } catch {
        // Nobody who knows the token sends what is no message.
        socket.destroy()
      }
    },
  }
}

/** Nobody waits for the end of a call over a connection that has ended. */
function ignoreLost(error: unknown): void {
  if (!(error instanceof ClusterTestError && error.code === 'ERR_BROKER_CONNECTION_LOST')) throw error
}

function functionOf(functions: object, name: string): ((...args: unknown[]) => unknown) | undefined {
  return Object.hasOwn(functions, name) ? (functions as Record<string, (...args: unknown[]) => unknown>)[name] : undefined
}
