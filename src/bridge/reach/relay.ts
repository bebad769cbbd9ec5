import { once } from 'node:events'
import { type AddressInfo, type Socket, connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import type { RelayProgram } from '../../cluster/network/relay-program.ts'
import { withDeadline } from '../../support/deadline.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { randomId } from '../../support/identity.ts'
import { bracketed } from '../../support/ip-range.ts'
import { poll } from '../../support/poll.ts'
import { reset } from '../../support/reset-socket.ts'
import { createQueue } from '../../support/turns.ts'
import type { Endpoint } from '../rules/endpoint.ts'
import type { Protocol } from '../rules/ports.ts'
import type { Forward } from '../rules/rules.ts'
import { type Carrier, openCarrier } from './carrier.ts'
import { joinDatagrams } from './datagrams.ts'
import { joinFrames } from './frames.ts'
import type { Ends, LocalReach } from './local-reach.ts'
import { type Call, waitForCallers } from './wait-for-callers.ts'

interface RelayOptions {
  /** Starts its program. @param token what that knows this machine by */
  readonly run: (token: string) => Promise<RelayProgram>
  /** @default one that nobody has heard of */
  readonly token?: string
  /** Of the cluster, for messages. */
  readonly cluster: string
  /** Told when the relay was ended from outside; another one takes its place then. */
  readonly onProblem: (error: unknown) => void
}

export interface Relay extends AsyncDisposable {
  /** Of its container. */
  readonly name: string
  readonly reach: LocalReach
}

/** A port of the relay, and where on this machine it leads. */
interface Lead {
  readonly protocol: Protocol
  readonly port: number
  readonly endpoint: Endpoint
  /** The relay listens as long as this is open. */
  listening: Socket
}

const loopback = '127.0.0.1'

/**
 * Stands on the cluster's network in place of this machine, which opens all connections to it, by a port that Docker publishes on
 * loopback: those who call the relay are handed over by connections that wait for them.
 */
export async function startRelay({ run, token = randomId(16), cluster, onProblem }: RelayOptions): Promise<Relay> {
  const stop = new AbortController()
  const leads = new Map<string, Lead>()
  const ends = new Map<number, Ends>()
  const ways = new Map<string, Promise<Endpoint>>()
  const open = new Set<Socket>()
  const inTurn = createQueue()
  const servers = new AsyncDisposableStack()
  let container = await start(run, token)

  const carry = async (words: string): Promise<Carrier> => {
    const carrier = await openCarrier({ port: container.port, token }, words)
    const { socket } = carrier
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    if (stop.signal.aborted) socket.destroy()
    return carrier
  }
  const listen = async (protocol: Protocol, wanted: number) => {
    const carrier = await carry(`listen ${protocol} ${wanted}`)
    const port = Number(await carrier.read())
    return { port, listening: carrier.socket.resume() }
  }
  const onCall = async (call: Call, { socket }: Carrier) => {
    const lead = leads.get(keyOf(call))
    const accept = () => void socket.write('+\n')
    try {
      if (!lead) throw new Error('Nobody listens there any more.')
      if (lead.protocol === 'udp') return await joinDatagrams(lead.endpoint, socket, accept)
      const local = await connected(lead.endpoint)
      const { localPort } = local
      ends.set(localPort!, { from: { host: call.address, port: call.from }, to: { host: container.addresses[0]!, port: call.port } })
      local.once('close', () => ends.delete(localPort!))
      accept()
      joinFrames(local, socket)
    } catch {
      socket.end('-\n')
    }
  }
  waitForCallers({ open: () => carry('wait'), onCall: (call, carrier) => void onCall(call, carrier), signal: stop.signal })

  const dial = async (endpoint: Endpoint, local: Socket) => {
    local.on('error', () => {})
    try {
      const carrier = await carry(`dial ${bracketed(endpoint.host)}:${endpoint.port}`)
      await carrier.read()
      joinFrames(local, carrier.socket)
    } catch {
      reset(local)
    }
  }
  const openWay = async (endpoint: Endpoint): Promise<Endpoint> => {
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (local) => void dial(endpoint, local))
    server.listen(0, loopback)
    await once(server, 'listening')
    servers.defer(() => void server.close())
    return { host: loopback, port: (server.address() as AddressInfo).port }
  }

  const revive = async () => {
    if (stop.signal.aborted || (await container.isRunning())) return
    onProblem(relayEnded(cluster, container.name))
    const { addresses } = container
    await container[Symbol.asyncDispose]()
    container = await start(run, token)
    watch()
    for (const lead of leads.values()) await listenAgain(lead)
    if (addresses.join() !== container.addresses.join()) onProblem(relayMoved(container.name, leads.size))
  }
  const listenAgain = async (lead: Lead) => {
    lead.listening = (await listen(lead.protocol, lead.port)).listening
    hold(lead)
  }
  /** What leads to the relay may break, and the relay goes on: where the engine is remote. */
  const hold = (lead: Lead) => lead.listening.once('close', () => void inTurn(() => restore(lead)).catch(tell))
  const restore = async (lead: Lead) => {
    const isMissing = () => lead.listening.destroyed && leads.get(keyOf(lead)) === lead && !stop.signal.aborted
    for (let tries = 100; isMissing(); tries--) {
      await revive()
      if (!isMissing()) return
      try {
        await listenAgain(lead)
      } catch (error) {
        // The relay may not have seen yet that the connection before has broken: it holds the port until then.
        if (tries === 0) throw doesNotAnswer(container.name, error)
        await sleep(pause)
      }
    }
  }
  const tell = (error: unknown) => stop.signal.aborted || onProblem(error)
  const watch = () => container.watch(() => void inTurn(revive).catch(tell))
  watch()

  const add = async (protocol: Protocol, endpoint: Endpoint, cleanup: AsyncDisposableStack): Promise<Lead> => {
    const listening = await listen(protocol, 0).catch((cause: unknown) => {
      throw doesNotAnswer(container.name, cause)
    })
    const lead = { protocol, endpoint, ...listening }
    leads.set(keyOf(lead), lead)
    hold(lead)
    cleanup.defer(() => {
      leads.delete(keyOf(lead))
      lead.listening.destroy()
    })
    return lead
  }
  return {
    name: container.name,
    reach: {
      addresses: [loopback],
      lead: (forwards, cleanup) =>
        inTurn(async () => {
          // After a restart of the engine nobody may have been told yet.
          await revive()
          const led: Forward[] = []
          for (const { protocol, port, address, targetPort } of forwards) {
            const lead = await add(protocol, { host: address, port: targetPort }, cleanup)
            led.push(...container.addresses.map((own) => ({ protocol, port, address: own, targetPort: lead.port })))
          }
          return led
        }),
      to(endpoint) {
        const key = `${endpoint.host} ${endpoint.port}`
        const way = ways.get(key) ?? openWay(endpoint)
        ways.set(key, way)
        return way
      },
      endsOf: ({ remotePort }) => ends.get(remotePort ?? 0),
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('The relay is not needed any more.'))
      await inTurn(async () => {})
      for (const socket of open) socket.destroy()
      await servers.disposeAsync()
      await container[Symbol.asyncDispose]()
    },
  }
}

function keyOf({ protocol, port }: { readonly protocol: string; readonly port: number }): string {
  return `${protocol} ${port}`
}

/** Milliseconds between tries to listen again. */
const pause = 100

/** Milliseconds until a relay has to answer. */
const startLimit = 30_000

async function start(run: RelayOptions['run'], token: string): Promise<RelayProgram> {
  await using cleanup = new AsyncDisposableStack()
  const container = cleanup.use(await run(token))
  let last: unknown
  const answers = async () => {
    try {
      const carrier = await openCarrier({ port: container.port, token }, 'ping')
      await carrier.read()
      carrier.socket.destroy()
      return true
    } catch (error) {
      // A port that Docker publishes takes connections before anything listens behind it.
      last = error
      return (await container.isRunning()) ? undefined : false
    }
  }
  const deadline = { limit: startLimit, code: 'ERR_DOCKER_REQUEST_FAILED', what: `Calling "${container.name}"` } as const
  const isThere = await withDeadline(deadline, (signal) => poll(answers, { interval: 10, signal }))
  if (!isThere) {
    const why = `"${container.name}" ended while it started: ${messageOf(last)}`
    throw new ClusterTestError('ERR_DOCKER_REQUEST_FAILED', why, { cause: last })
  }
  cleanup.move()
  return container
}

async function connected({ host, port }: Endpoint): Promise<Socket> {
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true })
  await once(socket, 'connect')
  return socket.on('error', () => {})
}

function doesNotAnswer(container: string, cause: unknown): ClusterTestError {
  return new ClusterTestError(
    'ERR_BRIDGE_HOST_UNREACHABLE',
    `"${container}", which relays connections to this machine, does not answer: ${messageOf(cause)}.`,
    { cause, hint: `Look whether it runs, and what it says: docker logs ${container}, or kubectl logs for a pod.` },
  )
}

function relayEnded(cluster: string, container: string): ClusterTestError {
  return new ClusterTestError(
    'ERR_DOCKER_REQUEST_FAILED',
    `"${container}", which relays connections from cluster "${cluster}" to this machine, was ended: those that were open are reset. Another one takes its place.`,
  )
}

function relayMoved(container: string, leads: number): ClusterTestError {
  return new ClusterTestError(
    'ERR_BRIDGE_HOST_UNREACHABLE',
    `Container "${container}", which relays connections to this machine, has another address than the one before it: nothing comes to ${leads} ports of bridges any more.`,
    { hint: 'Dispose of the bridges that answer on this machine, and start them again.' },
  )
}
