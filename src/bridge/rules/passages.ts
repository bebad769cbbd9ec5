import type { BridgeParts } from '../parts.ts'
import type { Endpoint } from './endpoint.ts'
import { restoreScript } from './node-scripts.ts'
import { passageRules, removedPassageRules, startedPassageRules } from './rules.ts'
import { runWhereActive } from './run-where-active.ts'

/** A pod, as far as its traffic goes. */
export interface PodAddress {
  readonly node: string
  readonly ip: string
}

/** Ways from this machine to ports of pods that no bridge turns off. */
export interface Passages extends AsyncDisposable {
  to(pod: PodAddress, port: number): Promise<Endpoint>
}

/** Below the ports that Services take on nodes (30000 to 32767). */
const firstPort = 20_000
const portCount = 10_000
let used = 0

/** Milliseconds for one change of a node's rules. */
const timeout = 15_000

export function createPassages({ nodes, cluster, reach }: Pick<BridgeParts, 'nodes' | 'cluster' | 'reach'>, id: string): Passages {
  const ways = new Map<string, Promise<Endpoint>>()
  const started = new Map<string, Promise<unknown>>()
  const find = (name: string) => nodes.find((each) => each.name === name)!
  const restore = (node: string, rules: string) => find(node).shell.run(restoreScript(rules), { timeout })

  const open = async ({ node, ip }: PodAddress, port: number): Promise<Endpoint> => {
    const host = cluster.nodes.find(({ name }) => name === node)!.address
    const own = firstPort + (used++ % portCount)
    if (!started.has(node)) {
      find(node).shell.atEnd(`passages-${id}`, [restoreScript(removedPassageRules(id))])
      started.set(
        node,
        restore(node, startedPassageRules(id)).catch((error: unknown) => {
          started.delete(node)
          throw error
        }),
      )
    }
    await started.get(node)
    await restore(node, passageRules(id, { host, port: own }, { host: ip, port }))
    return (await reach()).to({ host, port: own })
  }
  return {
    to(pod, port) {
      const key = `${pod.ip}:${port}`
      const known = ways.get(key)
      if (known) return known
      const opened = open(pod, port)
      ways.set(key, opened)
      opened.catch(() => ways.delete(key))
      return opened
    },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(ways.values())
      await Promise.all(
        [...started.keys()].map(async (node) => {
          await runWhereActive(find(node).shell, restoreScript(removedPassageRules(id)), { timeout })
          find(node).shell.atEnd(`passages-${id}`, [])
        }),
      )
    },
  }
}
