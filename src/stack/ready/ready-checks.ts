import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import { chooseAddress } from '../../cluster/network/choose-address.ts'
import type { ServiceAddress } from '../../cluster/network/service-address.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { KubeList, Service } from '../../kube/types.ts'
import { isLate } from '../../support/deadline.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { formatDuration } from '../../support/format.ts'
import { bracketed } from '../../support/ip-range.ts'
import { poll } from '../../support/poll.ts'
import { type Progress, runStep } from '../../support/progress.ts'
import { together } from '../../support/together.ts'
import { selects } from '../manifests/workloads.ts'
import type { ReadyCheck, ReadyOption } from '../ready-options.ts'
import { readyTarget } from './ready-target.ts'

export interface ReadyContext {
  readonly kube: KubeClient
  readonly namespace: string
  /** How this machine reaches the Services. */
  readonly addresses: () => readonly ServiceAddress[]
  readonly progress: Progress
  readonly signal: AbortSignal
}

/**
 * Waits until all checks of the option `ready` hold, at the same time.
 * @throws ClusterTestError `ERR_READY_CHECK_FAILED` with what was seen last
 */
export async function waitForChecks(ready: ReadyOption, context: ReadyContext): Promise<void> {
  const checks = Object.entries(ready).flatMap(([key, value]) => [value].flat().map((check) => ({ key, check })))
  if (checks.length === 0) return
  await runStep(
    context.progress,
    'ready',
    checks.length === 1 ? `${checks[0]!.key}: ${describe(checks[0]!.check)}` : `${checks.length} checks`,
    () =>
      together(
        context.signal,
        checks.map(
          ({ key, check }) =>
            (signal: AbortSignal) =>
              waitForCheck(key, check, { ...context, signal }),
        ),
      ),
  )
}

async function waitForCheck(key: string, check: ReadyCheck, context: ReadyContext): Promise<void> {
  const started = performance.now()
  const signal = check.timeout === undefined ? context.signal : AbortSignal.any([context.signal, AbortSignal.timeout(check.timeout)])
  let seen = 'nothing yet'
  const holds = async () => {
    const problem = await attempt(key, check, { ...context, signal })
    if (problem === undefined) return true
    // An attempt that the deadline has cut off has seen nothing.
    if (!signal.aborted) seen = problem
    return undefined
  }
  try {
    await poll(holds, { interval: 250, signal })
  } catch (error) {
    if (error instanceof ClusterTestError || !isLate(signal)) throw error
    throw new ClusterTestError(
      'ERR_READY_CHECK_FAILED',
      `Check \`${describe(check)}\` of "${key}" did not hold within ${formatDuration(performance.now() - started)}; last seen: ${seen}.`,
      { cause: error },
    )
  }
}

function describe(check: ReadyCheck): string {
  if ('http' in check) return `GET ${check.http}`
  if ('tcp' in check) return `port ${check.tcp}`
  if ('graphql' in check) return `GraphQL ${check.graphql}`
  if ('condition' in check) return `condition ${check.condition}=${check.status ?? 'True'}`
  return `${check.field} = ${JSON.stringify(check.equals)}`
}

/** What keeps a check from holding; undefined when it does. */
function attempt(key: string, check: ReadyCheck, context: ReadyContext): Promise<string | undefined> {
  if ('condition' in check || 'field' in check) return checkObject(key, check, context)
  return checkAnswer(key, check, context).catch((error: unknown) => {
    if (error instanceof ClusterTestError) throw error
    const { cause } = error as { cause?: unknown }
    return messageOf(cause ?? error)
  })
}

type ObjectCheck = Extract<ReadyCheck, { readonly condition: string } | { readonly field: string }>

async function checkObject(key: string, check: ObjectCheck, context: ReadyContext): Promise<string | undefined> {
  const object = await readObject(key, context)
  if (!object) return 'it is not there'
  if ('condition' in check) {
    const { conditions = [] } = (object['status'] ?? {}) as { conditions?: { type: string; status: string; message?: string }[] }
    const found = conditions.find(({ type }) => type === check.condition)
    if (found?.status === (check.status ?? 'True')) return undefined
    if (found) return `${found.type}=${found.status}${found.message ? ` (${found.message})` : ''}`
    return `its conditions are ${conditions.map(({ type, status }) => `${type}=${status}`).join(', ') || 'none'}`
  }
  const value = check.field.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], object)
  return value === check.equals ? undefined : `it is ${JSON.stringify(value) ?? 'not there'}`
}

async function readObject(key: string, { kube, namespace, signal }: ReadyContext): Promise<KubeObject | undefined> {
  const { apiVersion, kind, name } = readyTarget(key)
  const resource = await kube.resource(apiVersion, kind, signal)
  return resource && kube.find<KubeObject>(resource.path(namespace, name), { signal })
}

type AnswerCheck = Exclude<ReadyCheck, ObjectCheck>

/** Milliseconds for one attempt: a server that hangs may answer the next one. */
const patience = 5000

async function checkAnswer(key: string, check: AnswerCheck, context: ReadyContext): Promise<string | undefined> {
  const address = await addressOf(key, 'tcp' in check ? check.tcp : check.port, context)
  if (typeof address === 'string') return address
  const { host, hostPort: port } = address
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(patience)])
  if ('tcp' in check) return connects(host, port, signal)
  const url = `http://${bracketed(host)}:${port}`
  if ('http' in check) {
    const response = await fetch(url + check.http, { signal })
    const text = await response.text()
    const isRight = check.status === undefined ? response.ok : response.status === check.status
    if (isRight && text.includes(check.text ?? '')) return undefined
    return `${response.status} ${JSON.stringify(text.slice(0, 200))}`
  }
  const response = await fetch(url + check.graphql, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ query: '{ __schema { types { name } } }' }),
    signal,
  })
  const text = await response.text()
  const types = typesOf(text)
  if (!types) return `${response.status} ${JSON.stringify(text.slice(0, 200))}`
  return check.type === undefined || types.includes(check.type) ? undefined : `a schema without the type "${check.type}"`
}

function typesOf(text: string): readonly string[] | undefined {
  try {
    const { data } = JSON.parse(text) as { data?: { __schema?: { types: { name: string }[] } } }
    return data?.__schema?.types.map(({ name }) => name)
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined
    throw error
  }
}

/**
 * What keeps a connection to a Service from being made; undefined where it is. The gateway takes every connection: one that
 * nobody answers is reset, or closed at once, or when a busy machine comes to it.
 * @param open milliseconds that a connection has to stay open
 */
export function connects(host: string, port: number, signal: AbortSignal, open = 100): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, signal })
    const end = (problem?: string) => {
      socket.destroy()
      resolve(problem)
    }
    socket.once('error', (error) => end(error.message)).once('close', () => end('the connection was closed'))
    socket.once('connect', () => void sleep(open).then(() => end()))
  })
}

async function addressOf(key: string, port: number | string | undefined, context: ReadyContext): Promise<ServiceAddress | string> {
  const { kube, namespace, addresses, signal } = context
  const { kind, name } = readyTarget(key)
  let names = [name]
  if (kind !== 'Service') {
    const object = await readObject(key, context)
    if (!object) return 'it is not there'
    const { items } = await kube.request<KubeList<Service>>('GET', `/api/v1/namespaces/${namespace}/services`, { signal })
    names = items.filter((service) => selects(service, object)).map(({ metadata }) => metadata!.name!)
  }
  const own = addresses().filter((address) => address.namespace === namespace && names.includes(address.service))
  const found = chooseAddress(own, port)
  return found ?? `no Service leads to it${port === undefined ? ' by one port, or by one named "http"' : ` by port ${port}`}`
}
