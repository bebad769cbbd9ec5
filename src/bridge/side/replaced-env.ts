import { ClusterTestError } from '../../support/errors.ts'
import type { BridgeParts } from '../parts.ts'
import type { EnvRequest } from '../requests.ts'
import { findTarget } from '../rules/target.ts'
import { type RunningContainer, findRunning, readEnv } from './container-facts.ts'
import { type EnvOptions, selectEnv } from './env.ts'

type Env = Readonly<Record<string, string>>

/** The environment of the replaced container, as the options select it. */
export async function readSelectedEnv(
  parts: BridgeParts,
  { env }: { readonly env: EnvOptions },
  source: RunningContainer | undefined,
): Promise<Env> {
  return selectEnv(source ? await readEnv(parts, source) : {}, env)
}

/** The environment of any container. */
export async function readEnvOf(
  parts: BridgeParts,
  { workload, namespace = parts.namespace, containerName, env }: EnvRequest,
  signal: AbortSignal,
): Promise<Env> {
  using target = await findTarget({ cluster: parts.cluster, namespace, workload, container: containerName, signal })
  const source = findRunning(target)
  if (source) return selectEnv(await readEnv(parts, source), env)
  throw new ClusterTestError('ERR_BRIDGE_NO_PODS', `No pod of "${workload}" is running, so there is no environment to read.`, {
    hint: 'It may be scaled to zero, or its container may be waiting or restarting.',
  })
}
