import { rewriteNames } from '../../bridge/side/host-env.ts'
import { formatEnv, serviceEnv } from '../../client/service-env.ts'
import type { RunCommand } from '../command.ts'
import { findUpStack, openStack } from './open-stack.ts'

export const env: RunCommand = async ({ positionals: [workload], values }, context) => {
  const kept = await findUpStack(values['stack'] as string | undefined, context)
  await using opened = await openStack(kept, context, { canBridge: workload !== undefined })
  const { addresses, namespace, cluster } = opened
  const variables =
    workload === undefined ? serviceEnv(opened) : withoutLinks(rewriteNames(await cluster.env(workload), addresses, namespace))
  const lines = Object.entries(variables).map(([name, value]) => formatEnv(name, value))
  context.print(values['json'] ? JSON.stringify(variables, null, 2) : lines.join('\n'))
  return 0
}

/** Kubernetes names every Service in every container, by addresses that only the cluster knows (`enableServiceLinks`). */
function withoutLinks(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const isLink = (name: string, value: string) =>
    /^KUBERNETES_|_SERVICE_(?:HOST|PORT)(?:_\w+)?$|_PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/.test(name) ||
    (name.endsWith('_PORT') && /^(?:tcp|udp|sctp):\/\//.test(value))
  return Object.fromEntries(Object.entries(env).filter(([name, value]) => !isLink(name, value)))
}
