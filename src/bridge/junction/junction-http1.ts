import type { Socket } from 'node:net'

import { reset } from '../../support/reset-socket.ts'
import type { Endpoint } from '../rules/endpoint.ts'
import { type Pace, createPace, holdUp, pourPaced, statusAnswer } from './disturbance.ts'
import { readAnswer } from './http1-answer.ts'
import type { BodyReader } from './http1-body.ts'
import { type Copies, startCopies } from './http1-copies.ts'
import { type Http1Request, parseRequest, withoutH2c } from './http1-head.ts'
import { type Caller, type Side, nextRequest, sideFor } from './http1-side.ts'
import { peekHttp1Body } from './peek-body.ts'
import { type JunctionParts, type ProtocolJunction, type Route, cannotReach } from './route.ts'
import { type Source, breakWith, gather, next, passEnd, pour, write } from './source.ts'

/** Milliseconds that a caller has to read why its connection is closed. */
const farewell = 2_000

/**
 * How an answer has ended: another request may follow, none may, the connection speaks another protocol from here on, or
 * nothing more comes.
 */
type Ending = 'next' | 'last' | 'switched' | 'over'

/** A request as it came, and as far as it is understood. */
interface Asked {
  readonly head: Buffer
  readonly request: Http1Request
}

/** What was decided for a request. */
interface Decided {
  readonly request: Http1Request
  readonly answers: Route | undefined
  /** Whether the caller was told to go on before anybody was asked. */
  readonly hasContinued: boolean
  /** How its answer passes. */
  readonly pace: Pace
}

/**
 * Reads as much of HTTP/1 as it takes to find where requests and answers end, and decides for each request. What passes are
 * the bytes as they came: Node.js' own server and client would write most heads anew, and refuse some that others take.
 */
export function createHttp1Junction(parts: JunctionParts): ProtocolJunction {
  const callers = new WeakMap<Socket, Caller>()

  return {
    accept(source) {
      const { socket } = source
      const caller: Caller = { source, socket, sides: new Map(), last: undefined, isBusy: true }
      const sockets = () => [...caller.sides.values()].map((side) => side.socket)
      callers.set(socket, caller)
      breakWith(socket, sockets)
      socket.once('close', () => {
        for (const own of sockets()) own.destroySoon()
      })
      serve(parts, caller).catch((error: unknown) => {
        reset(socket)
        parts.onProblem(error)
      })
    },
    isBusy: (socket) => callers.get(socket)?.isBusy ?? false,
    [Symbol.dispose]() {},
  }
}

/** The whole life of a connection. */
async function serve(parts: JunctionParts, caller: Caller): Promise<void> {
  while (true) {
    const head = await nextRequest(caller)
    if (!head) return leaveWith(caller)
    if (head.end === 'cut off') return leave(parts, caller, head.bytes)
    // In the words of Node.js' own server.
    if (head.end === 'too long') return refuse(caller, '431 Request Header Fields Too Large')
    const request = parseRequest(head.bytes)
    if (!request) return refuse(caller, '400 Bad Request')
    caller.isBusy = true
    if (!(await exchange(parts, caller, { head: head.bytes, request }))) return undefined
    caller.isBusy = false
  }
}

/** @returns whether another request may follow */
async function exchange(parts: JunctionParts, caller: Caller, { head, request }: Asked): Promise<boolean> {
  const { source, socket } = caller
  const readsBody = parts.readsBodies() && request.framing !== 'none'
  // Nobody else can be asked before the body is there.
  const hasContinued = readsBody && request.waitsForContinue
  if (hasContinued) socket.write('HTTP/1.1 100 Continue\r\n\r\n')
  const { text, begun, body } = await peekHttp1Body(source, request.framing, readsBody)
  const { answers, copies: receivers, disturbance } = parts.decide(request, text)
  const instead = await holdUp(disturbance, socket)
  if (instead?.kind === 'status') {
    socket.write(statusAnswer(instead.status))
    return linger(caller)
  }
  if (instead) {
    reset(socket)
    return false
  }
  const endpoint = answers?.endpoint ?? (await originalOf(parts, socket))
  if (endpoint instanceof Error) {
    fail(parts, socket, { request, answers }, endpoint)
    return discard(source)
  }
  const side = sideFor(caller, endpoint)
  const copies = startCopies(receivers, request.method)
  const pace = createPace(disturbance)
  socket.once('close', copies.abandon)
  const answered = giveBack(parts, socket, side, { request, answers, hasContinued, pace }).catch((error: unknown): Ending => {
    parts.onProblem(error)
    for (const each of [socket, side.socket]) reset(each)
    return 'over'
  })
  gather(side.socket)
  for (const bytes of [withoutH2c(head, request), ...begun]) {
    copies.offer(bytes)
    await write(side.socket, bytes)
  }
  const isWhole = await sendBody(source, body, side.socket, copies)
  if (isWhole) {
    socket.off('close', copies.abandon)
    copies.complete()
    await untilAnswered(source, answered, side.socket)
    side.usedAt = performance.now()
  }
  const ending = isWhole && !request.ownsConnection ? await answered : undefined
  if (ending === 'next') return true
  // From here on the connection is this side's alone.
  const back = answered.then((last) => {
    caller.isBusy = last === 'switched'
    return last === 'over' ? undefined : pourPaced(side.source, socket, pace)
  })
  // RFC 9112, section 9.6: nobody reads a request after a last answer. Sent to a side that has closed, it would break the answer.
  const forth = ending === 'last' ? drop(source, side.socket) : pour(source, side.socket, copies.offer).then(copies.end)
  await Promise.all([forth, back])
  return false
}

async function originalOf(parts: JunctionParts, socket: Socket): Promise<Endpoint | Error> {
  try {
    return await parts.original(socket)
  } catch (error) {
    return error as Error
  }
}

async function giveBack(parts: JunctionParts, socket: Socket, side: Side, decided: Decided): Promise<Ending> {
  const { request, answers, hasContinued, pace } = decided
  let isAwaited = !hasContinued
  const read = await readAnswer(side.source, request.method, {
    head(bytes, { status }) {
      const isKnown = status === 100 && !isAwaited
      isAwaited ||= isKnown
      if (isKnown) return undefined
      gather(socket)
      return write(socket, bytes)
    },
    async give(bytes) {
      if (!(await pace(bytes, (some) => write(socket, some)))) for (const each of [socket, side.socket]) reset(each)
    },
  })
  if (read.end === 'complete') return read.isLast ? 'last' : 'next'
  if (read.end === 'switched') return 'switched'
  if (read.end === 'cut off') {
    if (side.failure) fail(parts, socket, decided, side.failure)
    else passEnd(side.source, socket)
    return 'over'
  }
  const what = `answered ${request.method} with what is not HTTP/1: ${JSON.stringify(read.rest.toString('latin1', 0, 100))}`
  const text = `The local side of the bridge of "${parts.workload}" ${what}.`
  if (answers && !read.hasBegun) {
    reset(side.socket)
    fail(parts, socket, decided, text)
    return 'over'
  }
  if (answers) parts.blame(answers, text)
  // As it would come without a bridge.
  await write(socket, read.rest)
  return 'switched'
}

function fail(parts: JunctionParts, socket: Socket, { request, answers }: Pick<Decided, 'request' | 'answers'>, why: Error | string): void {
  const text = typeof why === 'string' ? why : cannotReach(parts, answers, why)
  if (answers) parts.blame(answers, text)
  const length = Buffer.byteLength(text) + 1
  socket.write(`HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`)
  if (request.method !== 'HEAD') socket.write(`${text}\n`)
  close(socket)
}

/** The side that had the last request has closed the connection. */
async function leaveWith(caller: Caller): Promise<void> {
  if (caller.last!.source.isBroken) reset(caller.socket)
  else await linger(caller)
}

/** The caller has said all. Whether it still gets an answer is for the other end to decide. */
async function leave(parts: JunctionParts, caller: Caller, rest: Buffer): Promise<void> {
  const { last, socket, source, sides } = caller
  if (source.isBroken) return
  const side = last ?? (rest.length > 0 ? sideFor(caller, await parts.original(socket)) : undefined)
  if (!side) return void socket.end()
  await write(side.socket, rest)
  for (const each of sides.values()) each.socket.end()
  await pour(side.source, socket)
}

/** @returns whether all of it was sent, and nothing but it */
async function sendBody(source: Source, body: BodyReader, to: Socket, copies: Copies): Promise<boolean> {
  while (!body.isDone) {
    const bytes = await next(source)
    const taken = bytes ? body.take(bytes) : -1
    if (bytes) source.unread(bytes.subarray(Math.max(taken, 0)))
    if (!bytes || taken < 0) return false
    const own = bytes.subarray(0, taken)
    copies.offer(own)
    await write(to, own)
  }
  return true
}

/** Meanwhile the side learns at once when its caller has said all. */
async function untilAnswered(source: Source, answered: Promise<Ending>, to: Socket): Promise<void> {
  let isAnswered = false
  void answered.then(() => (isAnswered = true))
  while (!isAnswered && !source.hasEnded) await Promise.race([answered, source.more()])
  if (!isAnswered && source.isOver) passEnd(source, to)
}

async function refuse(caller: Caller, status: string): Promise<void> {
  caller.socket.write(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`)
  await linger(caller)
}

/** What a caller still sends is read, so that it is not reset before it has read the last word. */
function linger({ socket, source }: Caller): Promise<false> {
  close(socket)
  return discard(source)
}

function close(socket: Socket): void {
  socket.end(() => setTimeout(() => socket.destroy(), farewell).unref())
}

/** Of what is to come only the end is passed on. */
async function drop(source: Source, to: Socket): Promise<void> {
  await discard(source)
  passEnd(source, to)
}

async function discard(source: Source): Promise<false> {
  while (await next(source));
  return false
}
