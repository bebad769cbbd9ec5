import { isServing, kindOf } from '../kube/kinds.ts'
import { ClusterTestError } from '../support/errors.ts'
import { allKeys, checkKeys, checkOption, invalid, isDuration, isRecord, isText } from './check-option.ts'
import type { ConditionCheck, FieldCheck, GraphqlCheck, HttpCheck, TcpCheck } from './ready-options.ts'
import { type ReadyTarget, readyTarget } from './ready/ready-target.ts'

/** @throws ClusterTestError `ERR_OPTIONS_INVALID` for a check that is none, and for a key that names no object */
export function checkReady(ready: unknown): void {
  if (ready === undefined) return
  if (!isRecord(ready)) throw invalid('ready', 'an object from service or "kind/name" to checks', ready)
  for (const [key, value] of Object.entries(ready)) {
    const target = readyTarget(key)
    const checks: readonly unknown[] = Array.isArray(value) ? value : [value]
    for (const check of checks) checkOne(`ready["${key}"]`, target, check)
  }
}

const keys = {
  http: allKeys<HttpCheck>({ http: true, status: true, text: true }),
  tcp: allKeys<TcpCheck>({ tcp: true }),
  graphql: allKeys<GraphqlCheck>({ graphql: true, type: true }),
  condition: allKeys<ConditionCheck>({ condition: true, status: true }),
  field: allKeys<FieldCheck>({ field: true, equals: true }),
}

function checkOne(option: string, target: ReadyTarget, check: unknown): void {
  const known = isRecord(check) ? (Object.keys(keys) as (keyof typeof keys)[]).find((key) => key in check) : undefined
  if (!isRecord(check) || !known) throw invalid(option, '{ http }, { tcp }, { graphql }, { condition } or { field, equals }', check)
  checkKeys(option, check, [...keys[known], 'timeout', ...(known === 'http' || known === 'graphql' ? ['port'] : [])])
  const isPath = (value: unknown) => isText(value) && value.startsWith('/')
  checkOption(`${option}.http`, 'a path that starts with "/"', check['http'], isPath)
  checkOption(`${option}.graphql`, 'a path that starts with "/"', check['graphql'], isPath)
  for (const key of ['tcp', 'port'])
    checkOption(`${option}.${key}`, 'a number or a name', check[key], (value) => isText(value) || Number.isInteger(value))
  for (const key of ['text', 'type', 'condition', 'field']) checkOption(`${option}.${key}`, 'a text', check[key], isText)
  if (known === 'http') checkOption(`${option}.status`, 'an HTTP status', check['status'], Number.isInteger)
  else checkOption(`${option}.status`, 'a text', check['status'], isText)
  checkOption(`${option}.timeout`, 'a positive number of milliseconds', check['timeout'], isDuration)
  const needsAddress = known === 'http' || known === 'tcp' || known === 'graphql'
  if (needsAddress && kindOf(target) !== 'Service' && !isServing(target))
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `Option \`${option}\` sends a request to a ${target.kind}.`, {
      hint: 'Use a Service or a workload; { condition } and { field } work for any object.',
    })
}
