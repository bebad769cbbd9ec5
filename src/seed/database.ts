import { setTimeout as sleep } from 'node:timers/promises'

import { Client } from 'pg'

import type { ServiceAddress } from '../cluster/network/service-address.ts'
import type { KubeClient } from '../kube/client.ts'
import { selectorFits } from '../kube/labels.ts'
import type { KubeList, Pod, Service } from '../kube/types.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { formatList } from '../support/format.ts'
import { findStore } from './store.ts'

/** How the test reaches a database that runs in the cluster, as the user that its own env names. */
export interface DatabaseAddress {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

export interface FindDatabaseOptions {
  readonly kube: KubeClient
  readonly namespace: string
  readonly addresses: readonly ServiceAddress[]
  readonly signal: AbortSignal
}

/**
 * Finds a PostgreSQL workload's connection: its Service, and user, password and database from the variables of the official image.
 * @throws ClusterTestError `ERR_SEED_NO_DATABASE` when the workload is none, or no Service leads to it
 */
export async function findDatabase(
  workload: string,
  { kube, namespace, addresses, signal }: FindDatabaseOptions,
): Promise<DatabaseAddress> {
  const { type, pod, env } = await findStore(workload, { kube, namespace, signal })
  if (type !== 'postgres')
    throw new ClusterTestError(
      'ERR_SEED_NO_DATABASE',
      `Workload "${workload}" is not PostgreSQL: its images are ${formatList(pod.spec!.containers.map(({ image }) => image ?? ''))}.`,
      { hint: 'cluster.sql supports PostgreSQL only.' },
    )
  const { POSTGRES_USER: user = 'postgres', POSTGRES_PASSWORD: password = '', POSTGRES_DB: database = user } = env
  const { host, hostPort: port } = await addressOf(
    workload,
    pod,
    { kube, namespace, addresses, signal },
    ({ port, portName }) => port === 5432 || /postg|sql|db/.test(portName),
  )
  return { host, port, user, password, database }
}

export async function addressOf(
  workload: string,
  pod: Pod,
  { kube, namespace, addresses, signal }: FindDatabaseOptions,
  isMeant: (address: ServiceAddress) => boolean = () => false,
): Promise<ServiceAddress> {
  const { items } = await kube.request<KubeList<Service>>('GET', `/api/v1/namespaces/${namespace}/services`, { signal })
  const labels = pod.metadata?.labels ?? {}
  const services = items.filter(({ spec }) => selectorFits(spec?.selector, labels))
  const found = addresses.filter((each) => each.namespace === namespace && services.some(({ metadata }) => metadata?.name === each.service))
  const address = found.find(isMeant) ?? found[0]
  if (address) return address
  throw new ClusterTestError(
    'ERR_SEED_NO_DATABASE',
    `No Service selects the pods of workload "${workload}", so nothing can connect to it.`,
    {
      hint: `Add one that selects ${Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(',')}.`,
    },
  )
}

/**
 * Connects once the database answers queries: while it initialises or restarts, it refuses or drops connections.
 * @throws ClusterTestError `ERR_SEED_FAILED` when it refuses for good (password, missing database) or the signal ends the wait
 */
export async function connectDatabase(address: DatabaseAddress, signal: AbortSignal): Promise<Client & AsyncDisposable> {
  const where = `${address.user}@${address.host}:${address.port}/${address.database}`
  for (let last: unknown; ;) {
    if (signal.aborted)
      throw new ClusterTestError('ERR_SEED_FAILED', `Database ${where} did not answer: ${messageOf(last ?? signal.reason)}.`, {
        cause: last ?? signal.reason,
      })
    // What the developer's own PGSSLMODE and PGPASSWORD say is for other servers.
    const client = new Client({
      ...address,
      password: () => address.password,
      ssl: false,
      connectionTimeoutMillis: 5000,
      application_name: 'vitest-kubernetes',
    })
    // A connection that breaks later is reported by the query that meets it; without a listener it would end the process.
    client.on('error', () => {})
    try {
      await client.connect()
      await client.query('select 1')
      return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
    } catch (error) {
      await client.end().catch(() => undefined)
      if (!isNotYet(error))
        throw new ClusterTestError('ERR_SEED_FAILED', `Database ${where} refused the connection: ${messageOf(error)}.`, { cause: error })
      last = error
      await sleep(100, undefined, { signal }).catch(() => undefined)
    }
  }
}

/** 57P03: the server starts up or shuts down (PostgreSQL, appendix A). The others are a server that is not there yet. */
function isNotYet(error: unknown): boolean {
  const { code } = error as { code?: string }
  return (
    ['57P03', '57P01', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(code ?? '') ||
    /terminated unexpectedly|timeout expired|Connection terminated/.test(messageOf(error))
  )
}
