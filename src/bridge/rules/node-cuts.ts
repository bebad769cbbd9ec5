import type { ContainerShell } from '../../docker/container-shell.ts'
import { whileWaiting } from '../../support/deadline.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { createTurns } from '../../support/turns.ts'
import { type CutAddress, type CutSide, changedCut } from './cut-rules.ts'
import { endCutScript, setCutScript, watchCutScript } from './cut-scripts.ts'
import { familiesOf, restoreScript } from './node-scripts.ts'
import type { PodMatch } from './pod-match.ts'
import { rulesFailed } from './rules-failed.ts'
import type { Family } from './rules.ts'
import { runWhereActive } from './run-where-active.ts'
import { untilBack } from './until-back.ts'

interface CutNode {
  readonly name: string
  readonly shell: ContainerShell
  readonly podCidrs: readonly string[]
}

export interface NodeCutsOptions {
  readonly id: string
  /** Both workloads in quotes, for errors. */
  readonly what: string
  readonly nodes: readonly CutNode[]
  readonly matches: Readonly<Record<CutSide, PodMatch>>
  /** What is to be apart at this moment. */
  readonly addresses: () => readonly CutAddress[]
  /** Told of a pod that a node has found, and has in its rules; `addresses` has it from then on. */
  readonly onPod: (side: CutSide, uid: string, addresses: readonly string[]) => void
  readonly onProblem: (error: unknown) => void
}

/** The rules of a cut on all nodes. Every packet between two pods passes the node of each. */
export interface NodeCuts extends AsyncDisposable {
  /** Resolves when the rules of all nodes are those for the addresses. */
  update(): Promise<void>
}

/** Milliseconds for one script. */
const timeout = 30_000

/**
 * Resolves when the nodes have the rules, and watch for new pods: each of them has its own pods in its rules before anybody else knows
 * of them. Disposal resolves when they have none.
 */
export async function startNodeCuts({ id, what, nodes, matches, addresses, onPod, onProblem }: NodeCutsOptions): Promise<NodeCuts> {
  const stop = new AbortController()
  const inTurn = createTurns()
  /** What the rules of each node have, as often as they have it: it may find a pod that it is being told of. */
  const present = new Map<string, CutAddress[]>()
  const returning = new Map<string, Promise<void>>()

  const start = async (node: CutNode) => {
    node.shell.atEnd(id, [endCutScript(id, familiesOf(node))])
    const known = addresses()
    present.set(node.name, [...known])
    await node.shell.run(setCutScript(id, known, familiesOf(node)), { timeout })
    await Promise.all([watch(node, 'A', known), watch(node, 'B', known)])
  }
  const watch = async (node: CutNode, side: CutSide, known: readonly CutAddress[]) => {
    const { promise: watching, resolve } = Promise.withResolvers<void>()
    const onLine = (line: string) => {
      const [word, uid, ...found] = line.split(' ').filter(Boolean)
      if (word === 'watching') resolve()
      if (word !== 'pod') return
      present.get(node.name)!.push(...found.map((address) => ({ side, address })))
      onPod(side, uid!, found)
      update().catch(onProblem)
    }
    node.shell.start(watchCutScript(id, side, matches[side], known), onLine, () => {
      resolve()
      if (!stop.signal.aborted && !returning.has(node.name)) returning.set(node.name, returned(node))
    })
    await whileWaiting(watching, AbortSignal.timeout(timeout))
  }
  const returned = async (node: CutNode) => {
    onProblem(nodeStopped(what, node.name))
    try {
      await untilBack(node.shell, stop.signal)
      await inTurn(node.name, () => start(node))
      returning.delete(node.name)
      await update()
    } catch (error) {
      if (!stop.signal.aborted) onProblem(error)
    }
  }

  const update = async () => {
    await Promise.all(nodes.filter(({ name }) => !returning.has(name)).map((node) => inTurn(node.name, () => bringUpToDate(node))))
  }
  const bringUpToDate = async (node: CutNode) => {
    if (stop.signal.aborted) return
    const has = present.get(node.name)!
    const wanted = addresses()
    const added = without(wanted, has)
    const removed = without(has, wanted)
    if (added.length + removed.length === 0) return
    const families = familiesOf(node)
    const rules = (family: Family) => (families.includes(family) ? changedCut(id, added, removed, family) : '')
    try {
      await node.shell.run(restoreScript(rules('4'), rules('6')), { timeout })
    } catch (error) {
      if (await node.shell.isActive()) throw rulesFailed(what, node.name, error)
      // It sends nothing on, and catches up with the next change.
      return
    }
    for (const each of removed) has.splice(has.indexOf(each), 1)
    has.push(...added)
  }

  const end = async () => {
    stop.abort(new Error('The cut has ended.'))
    await Promise.all(returning.values())
    await Promise.all(
      nodes.map((node) =>
        inTurn(node.name, async () => {
          await runWhereActive(node.shell, endCutScript(id, familiesOf(node)), { timeout })
          node.shell.atEnd(id, [])
        }),
      ),
    )
  }
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(end)
  await Promise.all(
    nodes.map((node) =>
      inTurn(node.name, () => start(node)).catch((error: unknown) => {
        throw rulesFailed(what, node.name, error)
      }),
    ),
  )
  await update()
  const owned = cleanup.move()
  return { update, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

function without(addresses: readonly CutAddress[], others: readonly CutAddress[]): readonly CutAddress[] {
  return addresses.filter(({ side, address }) => !others.some((other) => other.side === side && other.address === address))
}

function nodeStopped(what: string, node: string): ClusterTestError {
  return new ClusterTestError('ERR_BRIDGE_RULES_FAILED', `Node "${node}" has stopped. It keeps ${what} apart again when it is back.`)
}
