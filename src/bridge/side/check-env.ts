import { checkOption } from '../../stack/check-option.ts'
import type { EnvOptions } from './env.ts'

/**
 * Refuses what cannot be meant, before anything starts.
 * @param option name of the option for messages
 * @throws ClusterTestError `ERR_OPTIONS_INVALID` that names the option and the value
 */
export function checkEnv(option: string, env: EnvOptions | undefined): void {
  checkOption(option, 'an object such as { include, exclude, set }', env, isRecord)
  const { from, include, exclude, set } = env ?? {}
  checkOption(`${option}.from`, 'a workload, or false', from, (value) => value === false || typeof value === 'string')
  checkOption(`${option}.include`, 'an array of names', include, isTextArray)
  checkOption(`${option}.exclude`, 'an array of names', exclude, isTextArray)
  checkOption(
    `${option}.set`,
    'an object of strings and null',
    set,
    (value) => isRecord(value) && Object.values(value).every((each) => each === null || typeof each === 'string'),
  )
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const isTextArray = (value: unknown) => Array.isArray(value) && value.every((each) => typeof each === 'string')
