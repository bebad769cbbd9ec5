import { rm } from 'node:fs/promises'

import type { Service } from '../../kube/types.ts'
import { createQueue } from '../../support/turns.ts'
import type { SuiteCluster } from '../suite-cluster.ts'
import { followTargets } from './follow-targets.ts'
import { takenPort } from './free-port.ts'
import type { Gateway } from './gateway.ts'
import { withRoutes } from './ingress-routes.ts'
import { describeServices, servicesLabel } from './published-services.ts'
import { type ServiceAddress, writeAddresses } from './service-address.ts'
import { type ServiceTarget, listTargets } from './service-targets.ts'

export interface ExposeOptions {
  /** Which Services of the cluster they are. */
  readonly isOwn: (service: Service) => boolean
  /** Where other processes find the addresses. */
  readonly file: string
  /** The port of this machine that a port of a Service is to have. @default Docker's choice */
  readonly portOf?: (target: ServiceTarget) => Promise<number | undefined>
  /** Told of one that somebody has; Docker chooses another one then, unless this throws. */
  readonly onPortTaken?: (port: number) => void
  readonly onProblem: (error: unknown) => void
}

/** The Services that the host can reach, as they come, change and go, whoever makes them. */
export interface ExposedServices extends AsyncDisposable {
  readonly addresses: readonly ServiceAddress[]
  readonly file: string
  /** Gives a host address to every port that is there now, and forgets those that are gone. From the first time on, changes are followed. */
  update(signal: AbortSignal): Promise<void>
  /** Follows no more changes, and leaves the addresses as they are to whoever disposes what this resolves to. */
  release(): Promise<AsyncDisposable>
  /** The same for good. */
  leave(): Promise<void>
}

export function exposeServices(
  cluster: Pick<SuiteCluster, 'kube' | 'access'>,
  { isOwn, file, portOf = async () => undefined, onPortTaken, onProblem }: ExposeOptions,
): ExposedServices {
  const gateways = new AsyncDisposableStack()
  const following = new AsyncDisposableStack()
  const open: { readonly gateway: Gateway; readonly keys: readonly string[] }[] = []
  /** A port of this machine stays that of its Service, also while that is away. */
  const places = new Map<string, Pick<ServiceAddress, 'host' | 'hostPort'>>()
  let addresses: readonly ServiceAddress[] = []
  const inTurn = createQueue()

  const bring = async (signal: AbortSignal): Promise<readonly ServiceTarget[]> => {
    signal.throwIfAborted()
    const targets = await listTargets(cluster, isOwn, signal)
    const missing = targets.filter((target) => !places.has(keyOf(target)))
    if (missing.length > 0) await add(missing, signal)
    const leads = new Map(targets.map((target) => [keyOf(target), target.lead]))
    await Promise.all(open.map(({ gateway, keys }) => gateway.lead(keys.map((key) => leads.get(key)))))
    const reached = targets.map(({ namespace, service, portName, port, ...target }) => {
      return { namespace, service, portName, port, ...places.get(keyOf({ namespace, service, port, ...target }))! }
    })
    addresses = await withRoutes(cluster.kube, reached, signal)
    await writeAddresses(file, addresses)
    return targets
  }
  /** A gateway's ports are fixed when its container is made, so that new ones get a gateway of their own. */
  const add = async (targets: readonly ServiceTarget[], signal: AbortSignal) => {
    const hosts = targets.map(({ isIPv6 }) => (isIPv6 ? '::1' : '127.0.0.1'))
    const labels = { [servicesLabel]: describeServices(targets) }
    const leads = targets.map(({ lead }) => lead)
    const start = async (ports: readonly (number | undefined)[]): Promise<Gateway> => {
      try {
        return await cluster.access.openGateway({ hosts, ports, leads, labels, onProblem, signal })
      } catch (error) {
        const taken = takenPort(error)
        if (!onPortTaken || taken === undefined || !ports.includes(taken)) throw error
        onPortTaken(taken)
        return start(ports.map((port) => (port === taken ? undefined : port)))
      }
    }
    const gateway = gateways.use(await start(await Promise.all(targets.map(portOf))))
    const keys = targets.map(keyOf)
    open.push({ gateway, keys })
    for (const [index, key] of keys.entries()) places.set(key, { host: hosts[index]!, hostPort: gateway.ports[index]! })
  }
  /** One after the other: seeds of several workloads run at the same time. */
  const bringInTurn = (signal: AbortSignal) => inTurn(() => bring(signal))
  let isFollowing = false
  return {
    file,
    get addresses() {
      return addresses
    },
    async update(signal) {
      const seen = await bringInTurn(signal)
      if (isFollowing) return
      isFollowing = true
      following.use(followTargets(cluster, { isOwn, seen, bring: bringInTurn, onProblem }))
    },
    async release() {
      await following.disposeAsync()
      return gateways
    },
    async leave() {
      await following.disposeAsync()
      await Promise.all(open.map(({ gateway }) => gateway.leave()))
    },
    async [Symbol.asyncDispose]() {
      await using ends = new AsyncDisposableStack()
      ends.defer(() => rm(file, { force: true }))
      ends.use(gateways)
      await following.disposeAsync()
      await inTurn(async () => {})
    },
  }
}

function keyOf({ namespace, service, port, isIPv6 }: Pick<ServiceTarget, 'namespace' | 'service' | 'port' | 'isIPv6'>): string {
  return `${namespace}/${service} ${port} ${isIPv6}`
}
