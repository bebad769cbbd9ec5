import { spawn } from 'node:child_process'

import open from 'open'

import { serviceEnv } from '../../client/service-env.ts'
import { publishedService } from '../../cluster/network/published-services.ts'
import type { UpCluster } from '../../cluster/ownership/kept-clusters.ts'
import { kubectlFor } from '../../engine/keep.ts'
import { noProxyEnv } from '../../support/bypass-proxy.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
import type { CliContext, RunCommand } from '../command.ts'
import { sourcesOf } from '../log-sources.ts'
import { followLogs } from '../logs.ts'
import { bringUp } from './bring-up.ts'
import { describeUp, formatUp } from './describe-up.ts'
import { findStack } from './find-stacks.ts'
import { parsePorts, serversFor } from './local-ports.ts'
import { type OpenedStack, openStack } from './open-stack.ts'
import { updateOnChange } from './update-on-change.ts'
import { waitForEnd } from './wait-for-end.ts'

export const dev: RunCommand = async ({ positionals: [wanted], command, values }, context) => {
  const bridged = [values['bridge'] ?? []].flat().map((each) => parseBridge(String(each)))
  const targets = [values['logs'] ?? []].flat().map(String)
  const { note } = context
  const signal = context.stopSignal()
  const defined = await findStack(wanted, context.cwd)
  const kept = await bringUp(defined, { ifUp: 'leave', context })
  signal.throwIfAborted()
  await using stack = await openStack(kept, context, { canBridge: true })
  for (const { workload, server } of bridged) {
    await stack.claim(workload)
    await stack.cluster.bridge(workload, { server })
  }
  note(formatUp(describeUp(kept, stack), kubectlFor({ name: kept.name, kubeconfigPath: stack.kubeconfigPath })))
  for (const { workload, port } of bridged) note(`  ${workload} is bridged to port ${port} of this machine`)
  const selection = { targets, namespace: undefined, container: undefined, tail: 10, previous: false, follow: true }
  const sources = targets.length > 0 ? await sourcesOf(stack.kube, selection) : []
  await using _logs = followLogs(sources, (source, line) => note(`${source} | ${line}`))
  const workloads = bridged.map(({ workload }) => workload)
  using _watch = values['watch'] ? await updateOnChange(defined, { kept, parts: stack.parts!, workloads, context, signal }) : undefined
  // Awaited here: the bridges end with this function.
  return await (command.length > 0 ? runBeside(stack, command, context, signal) : waitForKeys(stack, kept, context, signal))
}

/** `deployment/web=5173`, `deployment/web=http:5173`. */
function parseBridge(text: string) {
  const [, workload = '', port = ''] = /^(.+)=(.+)$/.exec(text) ?? []
  if (!workload)
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `Expected --bridge to be workload=port, got "${text}".`, {
      hint: 'Write --bridge deployment/web=5173.',
    })
  return { workload, port, server: serversFor(parsePorts('--bridge', port)) }
}

/** The terminal is the command's: its keys, its colours, and Ctrl-C, which reaches both. Resolves to its exit code. */
async function runBeside(
  stack: OpenedStack,
  command: readonly string[],
  { env, cwd, note }: CliContext,
  signal: AbortSignal,
): Promise<number> {
  const variables = serviceEnv(stack)
  const child = spawn(command[0]!, command.slice(1), {
    cwd,
    env: { ...env, ...variables, KUBECONFIG: stack.kubeconfigPath, ...noProxyEnv(env) },
    stdio: 'inherit',
  })
  // In a terminal Ctrl-C has reached it too, and it may have something to do before it ends.
  const end = () => void setTimeout(() => child.kill('SIGTERM'), process.stdin.isTTY ? 2_000 : 0).unref()
  signal.addEventListener('abort', end, { once: true })
  if (child.pid) stack.parts?.trackChild('started', child.pid)
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', (error) =>
        reject(
          new ClusterTestError('ERR_COMMAND_FAILED', `"${command.join(' ')}" could not be started: ${messageOf(error)}`, { cause: error }),
        ),
      )
      child.once('exit', (code, by) => resolve(by ? 1 : (code ?? 0)))
    })
  } finally {
    signal.removeEventListener('abort', end)
    if (child.pid) stack.parts?.trackChild('ended', child.pid)
    note(`Stack "${stack.name}" stays up: npx vitest-kubernetes down ${stack.name}`)
  }
}

/** In a terminal: `r` resets, `o` opens, `q` ends. */
async function waitForKeys(stack: OpenedStack, kept: UpCluster, { note }: CliContext, signal: AbortSignal): Promise<number> {
  const { stdin } = process
  const ended = Promise.withResolvers<void>()
  const actions: Readonly<Record<string, () => Promise<unknown> | void>> = {
    async r() {
      const started = performance.now()
      await stack.cluster.reset()
      note(`reset in ${Math.round(performance.now() - started)} ms`)
    },
    async o() {
      const page = stack.addresses.map((each) => publishedService(each).address).find((address) => address.startsWith('http'))
      await (page ? open(page) : note('No Service of the stack speaks HTTP.'))
    },
    q: () => ended.resolve(),
    // In raw mode Ctrl-C is a key.
    '\u0003': () => ended.resolve(),
  }
  const onKey = (key: Buffer) => {
    const action = actions[key.toString()]
    if (action) void Promise.resolve(action()).catch((error: unknown) => note(messageOf(error)))
  }
  if (stdin.isTTY) {
    note('\n  r resets the data, o opens the first page, q ends (the stack stays up)')
    stdin.setRawMode(true).resume().on('data', onKey)
  } else note('\n  Ctrl-C ends this (the stack stays up)')
  try {
    using wait = waitForEnd(kept, signal)
    await Promise.race([ended.promise, wait.ended])
    return 0
  } finally {
    if (stdin.isTTY) stdin.off('data', onKey).setRawMode(false).pause()
  }
}
