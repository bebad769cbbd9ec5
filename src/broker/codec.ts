import { ClusterTestError, type SerializedClusterTestError, deserializeError, serializeError } from '../support/errors.ts'
import { formatBytes } from '../support/format.ts'
import type { Redact } from '../support/redact.ts'

/** Bytes of one message, at most. Files never pass as messages. */
export const messageLimit = 16 << 20
/** Characters of each text of an error. */
const textLimit = 256 << 10

/** A message of birpc: a call (`q`) or the answer to one (`s`). */
interface Message {
  readonly t: 'q' | 's'
  /** Of the call; none where nobody waits for an answer. */
  readonly i?: string
  readonly m?: string
  readonly a?: readonly unknown[]
  readonly r?: unknown
  readonly e?: unknown
  /** Which argument is an AbortSignal. */
  readonly signal?: number
}

export interface Codec {
  serialize(message: Message): Buffer
  /** @throws when this is no message */
  deserialize(content: Buffer): Message
  /** Aborts the signal that a call from the other side was given. */
  abort(id: string, reason: unknown): void
  /** Aborts those of all calls from the other side. */
  abortAll(reason: unknown): void
}

interface CodecOptions {
  /** Tells the other side that a call to it is not wanted any more. */
  readonly sendAbort: (id: string, reason: unknown) => void
  /** Aborts every call from the other side. */
  readonly signal: AbortSignal
  /** For the texts of errors that leave. */
  readonly redact?: Redact | undefined
}

/** Messages as JSON, in which errors arrive as errors, and an AbortSignal among the arguments of a call as one that follows it. */
export function createCodec({ sendAbort, signal: cancelled, redact }: CodecOptions): Codec {
  /** Of calls to the other side: stop listening to their signals. */
  const listening = new Map<string, () => void>()
  /** Of calls from the other side. */
  const controllers = new Map<string, AbortController>()

  return {
    serialize(message) {
      const { t, i = '', a = [], e } = message
      if (t === 's') {
        controllers.delete(i)
        return encode({ ...message, ...(e !== undefined && { e: shorten(serializeError(e, redact)) }) })
      }
      const index = a.findIndex((each) => each instanceof AbortSignal)
      if (index < 0) return encode(message)
      const signal = a[index] as AbortSignal
      signal.throwIfAborted()
      const content = encode({ ...message, a: a.with(index, null), signal: index })
      const abort = () => sendAbort(i, signal.reason)
      signal.addEventListener('abort', abort, { once: true })
      listening.set(i, () => signal.removeEventListener('abort', abort))
      return content
    },
    deserialize(content) {
      const message = decode(content)
      const { t, i = '', a = [], e, signal } = message
      if (t === 's') {
        listening.get(i)?.()
        listening.delete(i)
        return e === undefined ? message : { ...message, e: deserializeError(e as SerializedClusterTestError) }
      }
      if (signal === undefined) return message
      const controller = new AbortController()
      controllers.set(i, controller)
      return { ...message, a: a.with(signal, AbortSignal.any([controller.signal, cancelled])) }
    },
    abort: (id, reason) => controllers.get(id)?.abort(reason),
    abortAll(reason) {
      for (const controller of controllers.values()) controller.abort(reason)
    },
  }
}

/** An error always arrives, whatever a program has printed into it. */
function shorten({ message, causes, ...error }: SerializedClusterTestError): SerializedClusterTestError {
  return { ...error, message: message.slice(0, textLimit), causes: causes.slice(0, 8).map((cause) => cause.slice(0, textLimit)) }
}

/** @throws ClusterTestError `ERR_OPTIONS_INVALID` for what is too long */
function encode(message: Message): Buffer {
  const content = Buffer.from(JSON.stringify(message))
  if (content.length <= messageLimit) return content
  throw new ClusterTestError(
    'ERR_OPTIONS_INVALID',
    `${message.m ? `What "${message.m}" was given` : 'An answer'} is ${formatBytes(content.length)} long, and ${formatBytes(messageLimit)} is what passes between a worker and the main process of vitest.`,
    { hint: 'Write large manifests to files and name the files.' },
  )
}

function decode(content: Buffer): Message {
  const message = JSON.parse(content.toString()) as Message | null
  if (message?.t === 's' || (message?.t === 'q' && Array.isArray(message.a))) return message
  throw new TypeError('This is no message.')
}
