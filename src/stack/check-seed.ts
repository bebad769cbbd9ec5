import { ClusterTestError } from '../support/errors.ts'
import { allKeys, checkKeys, checkOption, invalid, isRecord, isText, isTextArray, isTextRecord } from './check-option.ts'
import type { SeedExec, SeedHttp, SeedJob } from './seed-options.ts'
import { workloadOf } from './services/check-services.ts'

/** @throws ClusterTestError `ERR_OPTIONS_INVALID` for a step that is none, and for a key that is neither a service nor a workload */
export function checkSeed(seed: unknown, services: object | undefined): void {
  if (seed === undefined) return
  const stages: readonly unknown[] = Array.isArray(seed) ? seed : [seed]
  const firstFunction = stages.findIndex((stage) => typeof stage === 'function')
  for (const [index, stage] of stages.entries()) {
    if (typeof stage === 'function') continue
    if (!isRecord(stage))
      throw invalid('seed', 'an object from service or workload to files and steps, a function, or an array of these', stage)
    if (firstFunction >= 0 && index > firstFunction)
      throw new ClusterTestError('ERR_OPTIONS_INVALID', 'Option `seed` has a declared seed after a function.', {
        hint: 'Functions run in the worker after all declared seeds: put them last.',
      })
    for (const [name, steps] of Object.entries(stage)) {
      workloadOf(name, services)
      const list: readonly unknown[] = Array.isArray(steps) ? steps : [steps]
      for (const [number, step] of list.entries()) checkStep(Array.isArray(steps) ? `seed["${name}"][${number}]` : `seed["${name}"]`, step)
    }
  }
}

function checkStep(option: string, step: unknown): void {
  if (isText(step)) return
  const known = isRecord(step) ? Object.keys(stepKeys).find((kind) => kind in step) : undefined
  if (!isRecord(step) || !known) throw invalid(option, 'the path of a file, { exec }, { http } or { job }', step)
  checkKeys(option, step, stepKeys[known as keyof typeof stepKeys])
  checkOption(`${option}.exec`, 'a command as an array of strings', step['exec'], isTextArray)
  checkOption(`${option}.input`, 'the path of a file', step['input'], isText)
  checkOption(`${option}.container`, 'the name of a container', step['container'], isText)
  checkOption(`${option}.http`, 'a path that starts with "/"', step['http'], (path) => isText(path) && path.startsWith('/'))
  checkOption(`${option}.method`, 'an HTTP method', step['method'], isText)
  checkOption(`${option}.headers`, 'an object of strings', step['headers'], isTextRecord)
  checkOption(`${option}.file`, 'the path of a file', step['file'], isText)
  checkOption(`${option}.status`, 'an HTTP status', step['status'], Number.isInteger)
  checkOption(`${option}.port`, 'a number or a name', step['port'], (port) => isText(port) || Number.isInteger(port))
  checkOption(`${option}.job`, 'the path of a manifest, or a Job', step['job'], (job) => isText(job) || isRecord(job))
  checkOption(`${option}.durable`, 'true or false', step['durable'], (durable) => typeof durable === 'boolean')
  if ('json' in step && 'file' in step)
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `Option \`${option}\` has both "json" and "file": a request has one body.`)
}

const stepKeys = {
  exec: allKeys<SeedExec>({ exec: true, input: true, container: true, durable: true }),
  http: allKeys<SeedHttp>({ http: true, method: true, headers: true, json: true, file: true, status: true, port: true, durable: true }),
  job: allKeys<SeedJob>({ job: true }),
}
