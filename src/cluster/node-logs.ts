import { text } from 'node:stream/consumers'

import { streamContainerLog } from '../docker/container-log.ts'
import type { Docker } from '../docker/docker.ts'
import { ClusterTestError, messageOf, withoutHint } from '../support/errors.ts'

/** What the nodes of a cluster have printed, the last 1,000 lines of each. */
export async function readNodeLogs(docker: Docker, cluster: string): Promise<string> {
  return (await readLogs(docker, cluster)).map(describe).join('\n')
}

/** An error of a cluster that did not come up, with what its nodes say: the cause stands there. */
export async function withNodeLogs(docker: Docker, cluster: string, error: ClusterTestError): Promise<ClusterTestError> {
  const read = async () =>
    (await readLogs(docker, cluster)).map(({ node, lines }) => describe({ node, lines: selectLines(lines) })).join('\n')
  const logs = await read().catch((unreadable: unknown) => `  (could not be read: ${messageOf(unreadable)})`)
  if (!logs) return error
  const message = `${withoutHint(error)}\nWhat the nodes say:\n${logs}`
  return new ClusterTestError(error.code, message, { cause: error, hint: hintOf(logs) ?? error.hint })
}

/** At most 15: the last ones that are fatal or name a limit of the host, and what was printed last. */
export function selectLines(lines: readonly string[]): readonly string[] {
  const last = lines.slice(-10)
  const telling = lines.slice(0, -10).filter((line) => isFatal.test(line) || isLimit.test(line))
  return [...telling.slice(-5), ...last]
}

/** As k3s, klog and the Go runtime have it. */
const isFatal = /\blevel=(fatal|panic)\b|^F\d{4} |^(panic|fatal error): /
const isLimit = /too many open files|inotify/i

/** What cures it, where the lines tell. */
export function hintOf(logs: string): string | undefined {
  if (!isLimit.test(logs)) return undefined
  return 'Raise the limits of inotify: sudo sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288'
}

interface NodeLog {
  readonly node: string
  readonly lines: readonly string[]
}

function describe({ node, lines }: NodeLog): string {
  return [`${node}:`, ...lines.map((line) => `  ${line}`)].join('\n')
}

async function readLogs({ engine }: Docker, cluster: string): Promise<readonly NodeLog[]> {
  const abortSignal = AbortSignal.timeout(10_000)
  const containers = await engine.listContainers({ all: true, filters: { label: [`k3d.cluster=${cluster}`] }, abortSignal })
  const logs = await Promise.all(
    containers.map(async ({ Id, Names }) => {
      const log = await streamContainerLog(engine.getContainer(Id), { tail: 1_000, follow: false, abortSignal })
      return { node: Names[0]!.slice(1), lines: (await text(log)).split('\n').filter((line) => line.trim()) }
    }),
  )
  return logs.filter(({ lines }) => lines.length > 0)
}
