import type { Readable } from 'node:stream'

import { readInventory } from '../cluster/ownership/inventory.ts'
import { connectDocker } from '../docker/docker.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import type { RunCommand } from './command.ts'
import { findCluster } from './find-cluster.ts'
import type { LogSelection, LogSource } from './log-sources.ts'

export const logs: RunCommand = async ({ positionals, values }, context) => {
  const [first] = positionals
  const named = first?.includes('/') ? undefined : first
  const targets = named === undefined ? positionals : positionals.slice(1)
  const selection = { ...readSelection(values), targets }
  const { nodeSources, podSelection, reach, sourcesOf } = await import('./log-sources.ts')
  const docker = await connectDocker()
  const cluster = findCluster(await readInventory(docker), named)
  const ofPods = podSelection(selection)
  await using reached = ofPods && (await reach(docker, cluster, context))
  const sources = [...nodeSources(docker, cluster, selection), ...(reached ? await sourcesOf(reached.kube, ofPods) : [])]
  if (sources.length === 0) context.note(`Cluster "${cluster.name}" has no such logs yet.`)
  const print = values['json']
    ? (source: string, line: string) => context.print(JSON.stringify({ source, line }))
    : (source: string, line: string) => context.print(sources.length > 1 ? `${source} | ${line}` : line)
  const show = async ({ name, open }: LogSource) => {
    try {
      for await (const line of linesOf(await open())) print(name, line)
    } catch (error) {
      // One container that has no log yet must not hide the others'.
      context.note(`${name}: ${messageOf(error)}`)
      return false
    }
    return true
  }
  // Side by side when they go on, else each as a whole.
  const shown: boolean[] = []
  if (selection.follow) shown.push(...(await Promise.all(sources.map(show))))
  else for (const source of sources) shown.push(await show(source))
  return shown.every(Boolean) ? 0 : 1
}

function readSelection(values: Readonly<Record<string, unknown>>): Omit<LogSelection, 'targets'> {
  const tail = values['tail'] === 'all' ? undefined : Number(values['tail'] ?? 50)
  if (tail !== undefined && !(Number.isInteger(tail) && tail >= 0))
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `Expected --tail to be a number of lines or "all", got "${String(values['tail'])}".`)
  const [previous, follow] = [Boolean(values['previous']), Boolean(values['follow'])]
  if (previous && follow)
    throw new ClusterTestError(
      'ERR_OPTIONS_INVALID',
      'Expected --previous or --follow, got both: a container that has ended prints nothing more.',
    )
  const text = (name: string) => values[name] as string | undefined
  return { nodes: Boolean(values['nodes']), namespace: text('namespace'), container: text('container'), tail, previous, follow }
}

/** Prints logs as they come, each line with its source, until its disposal. */
export function followLogs(sources: readonly LogSource[], print: (source: string, line: string) => void): AsyncDisposable {
  const streams: Readable[] = []
  let isOver = false
  const follow = async ({ name, open }: LogSource) => {
    try {
      const stream = await open()
      if (isOver) stream.destroy()
      streams.push(stream)
      for await (const line of linesOf(stream)) print(name, line)
    } catch (error) {
      if (!isOver) print(name, `(${messageOf(error)})`)
    }
  }
  const all = sources.map(follow)
  return {
    async [Symbol.asyncDispose]() {
      isOver = true
      for (const stream of streams) stream.destroy()
      await Promise.all(all)
    },
  }
}

/** An iterated stream tells of a connection that broke, which readline would take for the end. */
async function* linesOf(stream: Readable): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of stream.setEncoding('utf8')) {
    const lines = (rest + String(chunk)).split('\n')
    rest = lines.pop() ?? ''
    yield* lines.map((line) => line.replace(/\r$/, ''))
  }
  if (rest !== '') yield rest
}
