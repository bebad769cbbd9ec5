import { basename } from 'node:path'

import type { ServiceAddress } from '../../cluster/network/service-address.ts'
import { noProxyEnv } from '../../support/bypass-proxy.ts'
import { bracketed } from '../../support/ip-range.ts'
import type { BridgeParts } from '../parts.ts'
import { findService, namesOf } from './host-names.ts'

type Env = Readonly<Record<string, string>>
type Names = Pick<BridgeParts, 'addresses' | 'addressesFile'>

/** Programs that are Node.js, or start it with the environment that they were given. */
const nodePrograms = ['node', 'npm', 'npx', 'pnpm', 'yarn', 'tsx', 'nodemon']

/**
 * The environment of a process on the host, in which the cluster's names lead somewhere: Node.js gets a module that knows
 * them, all others get values that name a Service rewritten to its address on this machine.
 */
export function namesForProcess(command: readonly string[], env: Env, { addresses, addressesFile: file }: Names, namespace: string): Env {
  const direct = noProxyEnv({ ...process.env, ...env }, namesOf(addresses(), namespace))
  const program = basename(command[0] ?? '').replace(/\.(?:exe|cmd)$/, '')
  if (!nodePrograms.includes(program)) return { ...rewriteNames(env, addresses(), namespace), ...direct }
  const preload = new URL(`./host-names-preload${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
  return {
    ...env,
    ...direct,
    NODE_OPTIONS: [env['NODE_OPTIONS'] ?? process.env['NODE_OPTIONS'], `--import=${preload.href}`].filter(Boolean).join(' '),
    VITEST_KUBERNETES_NAMES: JSON.stringify({ file, namespace }),
  }
}

/**
 * Rewrites `http://inventory`, `redis://redis:6379`, `user:pw@postgres/db`, `redis:6379`, and `postgres` itself where a
 * variable of the same prefix has the port (`PGHOST` and `PGPORT`, `DB_HOST` and `DB_PORT`) or the Service has one port only.
 */
export function rewriteNames(env: Env, addresses: readonly ServiceAddress[], namespace: string): Env {
  const rewritten: Record<string, string> = { ...env }
  for (const [name, value] of Object.entries(env)) {
    const replaced = rewriteText(value, addresses, namespace)
    if (replaced !== value) rewritten[name] = replaced
    const service = /^[a-z0-9.-]+$/.test(value) ? findService(addresses, namespace, value) : undefined
    const portName = /HOST(?:NAME)?$/.test(name) ? name.replace(/HOST(?:NAME)?$/, 'PORT') : undefined
    if (!service || !portName) continue
    const target = env[portName]
      ? service.find(({ port }) => String(port) === env[portName])
      : service.length === 1
        ? service[0]
        : undefined
    if (!target) continue
    rewritten[name] = target.host
    rewritten[portName] = String(target.hostPort)
  }
  return rewritten
}

const defaultPorts: Readonly<Record<string, number>> = {
  http: 80,
  https: 443,
  ws: 80,
  wss: 443,
  redis: 6379,
  rediss: 6379,
  postgres: 5432,
  postgresql: 5432,
  mysql: 3306,
  mongodb: 27017,
  amqp: 5672,
  amqps: 5671,
  nats: 4222,
}

function rewriteText(text: string, addresses: readonly ServiceAddress[], namespace: string): string {
  const find = (name: string, port: number | undefined) => findService(addresses, namespace, name)?.find((each) => each.port === port)
  return text
    .replaceAll(
      /\b([a-z][a-z0-9+.-]*):\/\/((?:[^@/\s]*@)?)([a-z0-9.-]+)(?::(\d+))?/gi,
      (whole, scheme: string, user: string, host: string, port?: string) => {
        const found = find(host, port ? Number(port) : defaultPorts[scheme.toLowerCase()])
        return found ? `${scheme}://${user}${bracketed(found.host)}:${found.hostPort}` : whole
      },
    )
    .replaceAll(/(?<![\w.:/@-])([a-z0-9][a-z0-9.-]*):(\d+)\b/gi, (whole, host: string, port: string) => {
      const found = find(host, Number(port))
      return found ? `${bracketed(found.host)}:${found.hostPort}` : whole
    })
}
