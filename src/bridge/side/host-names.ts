// Nothing but Node.js' own modules: this is loaded into other people's processes.
import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'

import { hostFits } from '../../cluster/network/host-fits.ts'
import { type OpenConnections, createOpenConnections } from './open-connections.ts'

/** A TCP port of a Service, and where this machine reaches it. */
export interface NamedAddress {
  readonly namespace: string
  readonly service: string
  readonly port: number
  readonly host: string
  readonly hostPort: number
  /** What is served there by hosts of Ingresses and Gateways. */
  readonly routes?: readonly { readonly host: string; readonly gateway?: unknown }[]
}

/** The names of a cluster while this process knows them. */
export interface ClusterNames extends Disposable {
  /** Ends all connections to the cluster, and refuses new ones, so that what it has may go. */
  endConnections(): void
}

/**
 * Makes the cluster's names work in this process: `postgres`, `redis.cache`, `orders.default.svc.cluster.local`. Whatever
 * speaks TCP in Node.js goes through the two functions that this replaces (http, tls, fetch, http2, pg, ioredis …).
 * So do the hosts of its Ingresses, at the ports of this machine too: `http://shop.localhost`, `http://shop.localhost:4000`.
 * Names that the cluster does not know go their normal way. Disposal puts the originals back.
 */
export function installClusterNames(addresses: () => readonly NamedAddress[], namespace: string): ClusterNames {
  const find = (name: unknown) => (typeof name === 'string' ? findName(addresses(), namespace, name) : undefined)
  const virtual = createVirtualAddresses()
  const connections = createOpenConnections()
  const isReached = ({ host, port }: ConnectOptions) => addresses().some((each) => each.host === host && each.hostPort === Number(port))
  const undo = [
    replaceConnect({ find, virtual, connections, isReached }),
    replaceLookup(find, virtual),
    replacePromisedLookup(find, virtual),
  ]
  syncBuiltinESMExports()
  return {
    endConnections: () => connections.end(),
    [Symbol.dispose]() {
      for (const each of undo) each()
      syncBuiltinESMExports()
    },
  }
}

/** The Service that a name means, as the search list of a pod would find it, or the ingress controller that serves that host. */
export function findName(addresses: readonly NamedAddress[], namespace: string, name: string): readonly NamedAddress[] | undefined {
  const found = findService(addresses, namespace, name)
  if (found) return found
  const serving = addresses.filter(({ routes = [] }) => routes.some((route) => hostFits(route, name.toLowerCase())))
  return serving.length > 0 ? serving : undefined
}

/** The Service that a name means, as the search list of a pod would find it. */
export function findService(addresses: readonly NamedAddress[], namespace: string, name: string): readonly NamedAddress[] | undefined {
  const [service, own = namespace, svc = 'svc', ...rest] = name.toLowerCase().replace(/\.$/, '').split('.')
  if (svc !== 'svc' || (rest.length > 0 && rest.join('.') !== 'cluster.local')) return undefined
  const found = addresses.filter((each) => each.service === service && each.namespace === own)
  return found.length > 0 ? found : undefined
}

/** All names that are found so. */
export function namesOf(addresses: readonly NamedAddress[], namespace: string): readonly string[] {
  const names = addresses.flatMap(({ service, namespace: placed, routes = [] }) => {
    const name = `${service}.${placed}`
    const hosts = routes.map(({ host }) => host.replace(/^\*/, '')).filter((host) => host !== '')
    return [...(placed === namespace ? [service] : []), name, `${name}.svc`, `${name}.svc.cluster.local`, ...hosts]
  })
  return [...new Set(names)]
}

type Find = (name: unknown) => readonly NamedAddress[] | undefined

interface VirtualAddresses {
  of(service: NamedAddress): string
  nameOf(address: unknown): string | undefined
}

/** Loopback addresses that stand for Services, for libraries that resolve a name first and connect to the address later. */
function createVirtualAddresses(): VirtualAddresses {
  const byName = new Map<string, string>()
  const byAddress = new Map<string, string>()
  return {
    of({ service, namespace }) {
      const name = `${service}.${namespace}`
      const known = byName.get(name)
      if (known) return known
      const index = byName.size + 1
      const address = `127.77.${index >> 8}.${index & 255}`
      byName.set(name, address)
      byAddress.set(address, name)
      return address
    },
    nameOf: (address) => (typeof address === 'string' ? byAddress.get(address) : undefined),
  }
}

interface ConnectOptions {
  readonly host?: string
  readonly port?: number | string
  readonly path?: string | null
}

interface ConnectParts {
  readonly find: Find
  readonly virtual: VirtualAddresses
  readonly connections: OpenConnections
  /** Whether it is where this machine reaches a Service. */
  readonly isReached: (options: ConnectOptions) => boolean
}

function replaceConnect({ find, virtual, connections, isReached }: ConnectParts): () => void {
  // oxlint-disable-next-line typescript/unbound-method -- called with the socket below
  const original = net.Socket.prototype.connect as (this: net.Socket, ...args: unknown[]) => net.Socket
  const replaced = function (this: net.Socket, ...args: unknown[]): net.Socket {
    const { options, listener } = readArguments(args)
    const service = options && find(virtual.nameOf(options.host) ?? options.host)
    if (!service && !(options && isReached(options))) return original.apply(this, args)
    connections.track(this)
    if (!service && !connections.areOver) return original.apply(this, args)
    const wanted = Number(options.port)
    const target = service?.find(({ port, hostPort, routes }) => port === wanted || (routes && hostPort === wanted))
    if (target && !connections.areOver)
      return original.call(this, { ...options, host: target.host, port: target.hostPort, lookup: undefined }, listener)
    const why = connections.areOver ? 'the suite has ended' : 'the Service has no such TCP port'
    process.nextTick(() => this.destroy(refused(options, why)))
    return this
  }
  net.Socket.prototype.connect = replaced
  return () => {
    if (net.Socket.prototype.connect === replaced) net.Socket.prototype.connect = original
  }
}

/** connect(options, listener?), connect(port, host?, listener?), and net.connect's own call with both in one array. */
function readArguments(args: readonly unknown[]): { options?: ConnectOptions; listener?: unknown } {
  const [first, ...rest] = Array.isArray(args[0]) ? (args[0] as unknown[]) : args
  const listener = rest.find((each) => typeof each === 'function')
  if (typeof first === 'object' && first !== null) {
    const options = first as ConnectOptions
    // Agents of http say null.
    return options.path === undefined || options.path === null ? { options, listener } : {}
  }
  return typeof rest[0] === 'string' ? { options: { port: first as number, host: rest[0] }, listener } : {}
}

function refused({ host, port }: ConnectOptions, why: string): Error {
  return Object.assign(new Error(`connect ECONNREFUSED ${host}:${port} (${why})`), {
    code: 'ECONNREFUSED',
    syscall: 'connect',
    address: host,
    port: Number(port),
  })
}

function replaceLookup(find: Find, virtual: VirtualAddresses): () => void {
  const original = dns.lookup
  const replaced = (name: string, ...rest: unknown[]) => {
    const service = find(name)
    const callback = rest.at(-1) as (error: Error | null, address?: unknown, family?: number) => void
    if (!service) return (original as (...args: unknown[]) => void)(name, ...rest)
    const options = rest.length > 1 ? rest[0] : {}
    process.nextTick(() => {
      try {
        const answer = answerLookup(virtual.of(service[0]!), name, options)
        if (Array.isArray(answer)) callback(null, answer)
        else callback(null, answer.address, answer.family)
      } catch (error) {
        callback(error as Error)
      }
    })
  }
  dns.lookup = Object.assign(replaced, { __promisify__: original.__promisify__ }) as typeof dns.lookup
  const own = dns.lookup
  return () => {
    if (dns.lookup === own) dns.lookup = original
  }
}

function replacePromisedLookup(find: Find, virtual: VirtualAddresses): () => void {
  const original = dns.promises.lookup
  const replaced = (async (name: string, options?: unknown) => {
    const service = find(name)
    return service ? answerLookup(virtual.of(service[0]!), name, options) : original(name, options as dns.LookupOptions)
  }) as typeof original
  dns.promises.lookup = replaced
  return () => {
    if (dns.promises.lookup === replaced) dns.promises.lookup = original
  }
}

function answerLookup(address: string, name: string, options: unknown): dns.LookupAddress | dns.LookupAddress[] {
  const { family, all } = (typeof options === 'object' && options !== null ? options : { family: options }) as dns.LookupOptions
  if (family === 6 || family === 'IPv6')
    throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), {
      code: 'ENOTFOUND',
      errno: -3008,
      syscall: 'getaddrinfo',
      hostname: name,
    })
  const answer = { address, family: 4 }
  return all ? [answer] : answer
}
