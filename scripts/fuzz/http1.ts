import { type Socket, connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import { type Conversation, createConversation } from './http1-requests.ts'
import { type Log, createOddServer, createPlainServer, wordOfReset } from './http1-servers.ts'
import { join, listen } from './listening.ts'

/** What became of a conversation. */
interface Outcome {
  readonly received: Buffer
  readonly end: 'end' | 'reset' | 'open'
  /** What servers have seen. */
  readonly log: readonly string[]
}

export interface Lane extends AsyncDisposable {
  /** Holds one conversation without and with a junction, and says what differs. */
  compare(seed: number): Promise<string | undefined>
}

export async function startLane(kind: 'plain' | 'odd' | 'body' | 'mirror', onProblem: (error: unknown) => void): Promise<Lane> {
  await using cleanup = new AsyncDisposableStack()
  const log: Log = []
  const create = kind === 'odd' ? createOddServer : createPlainServer
  const direct = cleanup.use(await listen(create(log)))
  const original = cleanup.use(await listen(create(log)))
  const local = cleanup.use(await listen(create(log)))
  // Reads some, and breaks.
  const mirror = cleanup.use(
    await listen(
      createServer((socket) => void socket.on('error', () => {}).once('data', () => setTimeout(() => socket.resetAndDestroy(), 3))),
    ),
  )
  const junction = cleanup.use(
    await join(original, kind === 'odd' ? original : local, {
      onProblem,
      body: kind === 'body',
      ...(kind === 'mirror' && { mirror: mirror.endpoint }),
    }),
  )
  const owned = cleanup.move()
  const hold = (port: number, conversation: Conversation) => converse(port, conversation, { log, kind })
  return {
    async compare(seed) {
      const conversation = createConversation(seed, kind === 'odd')
      const known: Outcome[] = []
      let last: Outcome | undefined
      // What depends on the moment differs from itself: one of the ways in which it goes without a junction has to be met.
      for (let attempt = 0; attempt < 6; attempt++) {
        known.push(await hold(direct.endpoint.port, conversation))
        last = await hold(junction.port, conversation)
        if (known.some((each) => isAlike(each, last!, conversation, kind))) return undefined
      }
      return report(conversation, known, last!)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function converse(
  port: number,
  { pieces, ending }: Conversation,
  { log, kind }: { readonly log: Log; readonly kind: string },
): Promise<Outcome> {
  log.length = 0
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  const chunks: Buffer[] = []
  let end: Outcome['end'] = 'open'
  socket.on('data', (chunk) => chunks.push(chunk))
  const over = new Promise<void>((resolve) => {
    socket.once('end', () => {
      end = 'end'
      resolve()
    })
    socket.on('error', () => {
      if (end === 'open') end = 'reset'
      resolve()
    })
    socket.once('close', resolve)
  })
  for (const { bytes, wait } of pieces) {
    if (wait > 0) await sleep(wait)
    else await new Promise(setImmediate)
    if (socket.writable) socket.write(bytes)
  }
  if (ending === 'reset') await breakOff(socket)
  if (ending === 'end') socket.end()
  await Promise.race([over, sleep(ending === 'wait' ? 1_500 : 300, undefined, { ref: false })])
  socket.destroy()
  await new Promise(setImmediate)
  // Where bodies decide, the junction has to ask for them.
  const received = Buffer.from(Buffer.concat(chunks).toString('latin1').replaceAll('HTTP/1.1 100 Continue\r\n\r\n', ''), 'latin1')
  return { received: kind === 'body' ? received : Buffer.concat(chunks), end, log: [...log] }
}

async function breakOff(socket: Socket): Promise<void> {
  await sleep(2)
  socket.resetAndDestroy()
}

/**
 * Whether a caller cannot tell which of the two had a junction. Node.js' server refuses a request before it has answered those
 * ahead of it, and loses answers when requests do not wait for them: with a junction there may be more, but nothing else.
 */
function isAlike(one: Outcome, other: Outcome, { ending }: Conversation, kind: string): boolean {
  const isPrefix = startsAlike(one.received, other.received)
  if (ending !== 'wait') return isPrefix || isRefused(one) || isRefused(other)
  if (isRefused(other)) return isRefused(one) || (isPrefix && one.end !== 'open')
  if (isRefused(one)) return other.end !== 'open'
  const wasCutShort = one.end !== 'open' && one.received.length < other.received.length
  if (kind !== 'odd' && !wasCutShort && !other.log.every((line) => line === wordOfReset || one.log.includes(line))) return false
  // The answer after the reset one may come from another side, whose connection is whole.
  if (one.log.includes(wordOfReset)) return isPrefix && (other.end === one.end || (wasCutShort && other.end === 'end'))
  // A server that breaks a connection while it answers an earlier request has none to break: it goes on, or is silent. The word may also
  // be a late one, of the conversation before.
  if (other.log.includes(wordOfReset)) return isPrefix && (other.end === 'reset' || other.end === one.end)
  if (one.end === 'open') return isPrefix
  // A server that closes before it has read all makes the kernel reset the connection, if it was quick enough.
  if (one.end === 'reset') return isPrefix && other.end !== 'open'
  return (
    isPrefix && (one.received.length < other.received.length || (one.end === other.end && one.received.length === other.received.length))
  )
}

function startsAlike(one: Buffer, other: Buffer): boolean {
  const length = Math.min(one.length, other.length)
  return one.subarray(0, length).equals(other.subarray(0, length))
}

function isRefused({ received }: Outcome): boolean {
  return /HTTP\/1\.1 4(?:00|31) (?:Bad|Request)/.test(received.toString('latin1'))
}

function report({ seed, pieces, ending }: Conversation, known: readonly Outcome[], other: Outcome): string {
  const show = ({ received, end, log }: Outcome) =>
    `${end}, ${received.length} bytes: ${JSON.stringify(received.toString('latin1'))}\n    seen: ${log.map((line) => line.slice(0, 3_000)).join('\n          ')}`
  const sent = Buffer.concat(pieces.map(({ bytes }) => bytes)).toString('latin1')
  return shorten(
    `seed ${seed}, ${pieces.length} pieces, then ${ending}\n  sent: ${JSON.stringify(sent)}\n  without: ${show(known[0]!)}\n  with: ${show(other)}`,
  )
}

function shorten(text: string): string {
  return text.replaceAll(/([^ ].{0,30}?)\1{3,}/g, '[$1]*').slice(0, 6_000)
}
