import type { RequestMatch } from '../../bridge/junction/match.ts'
import type { BridgeOptions } from '../../bridge/options.ts'
import { whileWaiting } from '../../support/deadline.ts'
import { ClusterTestError } from '../../support/errors.ts'
import type { CommandArgs, RunCommand } from '../command.ts'
import { parsePorts, portsOf, serversFor } from './local-ports.ts'
import { findUpStack, openStack } from './open-stack.ts'
import { waitForEnd } from './wait-for-end.ts'

export const bridge: RunCommand = async ({ positionals: [workload = ''], command, values }, context) => {
  const text = (name: string) => values[name] as string | undefined
  const ports = parsePorts('--port', text('port'))
  const match = matchOf(values)
  if (command.length === 0 && ports.length === 0)
    throw new ClusterTestError('ERR_OPTIONS_INVALID', 'Expected --port or a command after --, got neither.', {
      hint: `npx vitest-kubernetes bridge ${workload} --port 3000, for what listens already; or bridge ${workload} -- node server.ts`,
    })
  const { print, note, write, stopSignal } = context
  const signal = stopSignal()
  const kept = await findUpStack(text('stack'), context)
  const ended = Promise.withResolvers<string>()
  const onLocal = { output: (chunk: string) => write(chunk, 'stdout'), ended: (why: string) => ended.resolve(why) }
  await using stack = await openStack(kept, context, { canBridge: true, onLocal })
  await stack.claim(workload, text('namespace'))
  const { cluster } = stack
  const shared = { match, mirror: Boolean(values['mirror']), namespace: text('namespace'), containerName: text('container') }
  const options: BridgeOptions =
    command.length > 0
      ? { ...shared, command, cwd: context.cwd, ports: await portsOf(cluster, workload, ports), timeout: 120_000 }
      : { ...shared, server: serversFor(ports) }
  const opened = await whileWaiting(cluster.bridge(workload, options), signal)
  if (values['json']) print(JSON.stringify({ workload, ports: opened.ports, stack: stack.name }))
  else note(`${workload} of stack "${stack.name}" is bridged: ${describe(match, Boolean(values['mirror']))} come here. Ctrl-C ends it.`)
  using wait = waitForEnd(kept, signal)
  const why = await Promise.race([ended.promise, wait.ended])
  if (!why) return 0
  note(`"${command.join(' ')}" ${why}: ${workload} answers itself again.`)
  return Number(/exit code (\d+)/.exec(why)?.[1] ?? 1)
}

/** @throws ClusterTestError `ERR_OPTIONS_INVALID` for a header without a value */
function matchOf(values: CommandArgs['values']): RequestMatch | undefined {
  const [header, path] = [values['header'], values['path']] as (string | undefined)[]
  if (header === undefined && path === undefined) return undefined
  const [, name, value] = /^([^=:]+)[=:]\s*(.*)$/.exec(header ?? '') ?? []
  if (header !== undefined && name === undefined)
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `Expected --header to be name=value, got "${header}".`)
  return { ...(name !== undefined && { headers: { [name.trim()]: value! } }), ...(path !== undefined && { path }) }
}

function describe(match: RequestMatch | undefined, isMirror: boolean): string {
  const what = match ? 'the requests that match' : 'all requests and connections'
  return isMirror ? `copies of ${what}` : what
}
