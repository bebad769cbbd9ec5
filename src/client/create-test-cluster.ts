import supertest from 'supertest'

import { checkEnv } from '../bridge/side/check-env.ts'
import type { HeldLease } from '../broker/client.ts'
import { chooseAddress } from '../cluster/network/choose-address.ts'
import type { ServiceAddress } from '../cluster/network/service-address.ts'
import { containerOf } from '../kube/choose-container.ts'
import type { KubeClient } from '../kube/client.ts'
import { findExecTarget } from '../kube/exec-target.ts'
import { execInPod } from '../kube/exec.ts'
import { readPodLog } from '../kube/logs.ts'
import { listPods, readWorkload } from '../kube/workload.ts'
import { connectDatabase, findDatabase } from '../seed/database.ts'
import { resetStores, resettable } from '../seed/reset.ts'
import type { StackOptions } from '../stack/options.ts'
import { workloadOf } from '../stack/services/check-services.ts'
import { withDeadline } from '../support/deadline.ts'
import { ClusterTestError } from '../support/errors.ts'
import { formatList } from '../support/format.ts'
import { bracketed } from '../support/ip-range.ts'
import { restartWorkload, scaleWorkload } from './change-pods.ts'
import { connectServices } from './connect-services.ts'
import { ingressUrl, isIngressName } from './ingress-url.ts'
import type { TestBridges } from './test-bridges.ts'
import type { InNamespace, TestCluster, RequestService } from './test-cluster.ts'

const raiseTimeout = 'Raise its option "timeout".'

export interface TestClusterParts {
  readonly held: HeldLease
  readonly kube: KubeClient
  readonly bridges: TestBridges
  /** Of Services, at this moment. */
  readonly addresses: () => readonly ServiceAddress[]
  readonly stack: StackOptions
}

export function createTestCluster<Seeded extends string>({ held, kube, bridges, addresses, stack }: TestClusterParts): TestCluster<Seeded> {
  const { name, namespace: suiteNamespace, kubeconfigPath } = held.lease
  const { services = {} } = stack
  const changing = (timeout: number) => ({ kube, addresses, timeout, update: () => held.apply([], timeout) })
  const find = (service: string, port?: number | string) => findAddress(addresses(), suiteNamespace, service, port)

  return {
    name,
    namespace: suiteNamespace,
    kubeconfigPath,
    services: connectServices(services, find, suiteNamespace),
    url(service, port) {
      if (isIngressName(service)) return ingressUrl(addresses(), suiteNamespace, service, port)
      const found = find(service, port)
      const scheme = found.port === 443 || found.portName.startsWith('https') ? 'https' : 'http'
      return `${scheme}://${bracketed(found.host)}:${found.hostPort}`
    },
    address(service, port) {
      const { host, hostPort } = find(service, port)
      return { host, port: hostPort }
    },
    async sql<Row extends object>(
      workload: string,
      statement: string,
      values: readonly unknown[] = [],
      { namespace = suiteNamespace }: InNamespace = {},
    ) {
      const deadline = { limit: 30_000, code: 'ERR_SEED_FAILED', what: `To connect to the database of "${workload}"` } as const
      await using client = await withDeadline(deadline, async (signal) => {
        const options = { kube, namespace, addresses: addresses(), signal }
        return connectDatabase(await findDatabase(workloadOf(workload, services), options), signal)
      })
      return (await client.query<Row & Record<string, unknown>>(statement, [...values])).rows
    },
    async reset(store, { timeout = 60_000 } = {}) {
      const known = resettable(stack)
      const workload = store === undefined ? undefined : workloadOf(store, services)
      if (workload !== undefined && !known.includes(workload))
        throw new ClusterTestError('ERR_OPTIONS_INVALID', `"${store}" cannot be reset.`, {
          hint: `Services of PostgreSQL, MariaDB, MySQL and Redis can, and what the option "seed" loads files into: here ${formatList(known)}.`,
        })
      const deadline = { limit: timeout, code: 'ERR_SEED_RESET_FAILED', what: 'cluster.reset', hint: raiseTimeout } as const
      const meant = workload === undefined ? known : [workload]
      await withDeadline(deadline, (signal) => resetStores(meant, { kube, namespace: suiteNamespace, signal }))
    },
    async exec(workload, command, { container, input, namespace = suiteNamespace, reject = true, timeout = 60_000 } = {}) {
      const what = `Command "${command.join(' ')}" in ${workload}`
      const deadline = { limit: timeout, code: 'ERR_KUBE_EXEC_FAILED', what, hint: raiseTimeout } as const
      const result = await withDeadline(deadline, async (signal) => {
        const target = await findExecTarget(kube, { namespace, workload: workloadOf(workload, services), container })
        return execInPod(kube, target, command, { input, signal })
      })
      if (result.exitCode === 0 || !reject) return result
      throw new ClusterTestError(
        'ERR_KUBE_EXEC_FAILED',
        `${what} ended with exit code ${result.exitCode}.\n${(result.stderr || result.stdout).trimEnd()}`,
        { hint: 'Pass { reject: false } to look at the result yourself.' },
      )
    },
    async logs(workload, { container, namespace = suiteNamespace, tail, previous } = {}) {
      const pods = await listPods(kube, namespace, workloadOf(workload, services))
      const texts = await Promise.all(
        pods.map((pod) =>
          readPodLog(kube, namespace, pod.metadata!.name!, {
            container: containerOf(pod, { wanted: container, workload, code: 'ERR_KUBE_NOT_FOUND' }),
            ...(tail === undefined ? {} : { tail }),
            ...(previous ? { previous } : {}),
          }),
        ),
      )
      return texts.join('')
    },
    get: async <T extends object>(workload: string, { namespace = suiteNamespace }: InNamespace = {}) =>
      (await readWorkload(kube, namespace, workload)) as unknown as T,
    apply: (manifests, { timeout = 120_000 } = {}) => held.apply(manifests, timeout),
    restart: (workload, { namespace = suiteNamespace, timeout = 120_000 } = {}) =>
      restartWorkload({ ...changing(timeout), namespace, workload: workloadOf(workload, services) }),
    async scale(workload, replicas, { namespace = suiteNamespace, timeout = 120_000 } = {}) {
      const options = { ...changing(timeout), namespace, workload: workloadOf(workload, services) }
      const before = await scaleWorkload(replicas, options)
      return { [Symbol.asyncDispose]: async () => void (await scaleWorkload(before, options)) }
    },
    bridge: (workload, options) => bridges.bridge(workload, options),
    async env(workload, { namespace, containerName, ...env } = {}) {
      checkEnv('env', env)
      return held.bridges.readEnv({ workload, namespace, containerName, env }, held.signal)
    },
    run: (options) => bridges.run(options),
    disturb: (workload, options) => bridges.disturb(workload, options),
    cut(workload, other, options) {
      // A Service stands for pods here, and for no workload elsewhere.
      const named = (text: string) => (text in services ? workloadOf(text, services) : text)
      return bridges.cut([named(workload), named(other)], options)
    },
  }
}

export function createRequest(cluster: TestCluster): RequestService {
  return (service, port) => supertest(cluster.url(service, port))
}

/** Which address a name and a port mean. */
export function findAddress(
  addresses: readonly ServiceAddress[],
  defaultNamespace: string,
  service: string,
  port?: number | string,
): ServiceAddress {
  const [name, namespace = defaultNamespace] = service.split('.')
  const own = addresses.filter((address) => address.service === name && address.namespace === namespace)
  if (own.length === 0) {
    const names = [
      ...new Set(
        addresses.map((address) => (address.namespace === defaultNamespace ? address.service : `${address.service}.${address.namespace}`)),
      ),
    ]
    throw new ClusterTestError('ERR_SERVICE_NOT_FOUND', `There is no Service "${service}" with a TCP port in the cluster.`, {
      hint: `It has ${formatList(names)}.`,
    })
  }
  const found = chooseAddress(own, port)
  if (found) return found
  const ports = own.map((address) => (address.portName ? `${address.port} (${address.portName})` : String(address.port)))
  throw new ClusterTestError(
    'ERR_SERVICE_NOT_FOUND',
    port === undefined
      ? `Service "${service}" has several ports, and none is named "http": say which.`
      : `Service "${service}" has no TCP port ${port}.`,
    { hint: `It has ${ports.join(', ')}.` },
  )
}
