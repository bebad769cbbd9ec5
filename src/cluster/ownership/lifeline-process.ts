import { createInterface } from 'node:readline'

import { openDocker } from '../../docker/open-docker.ts'
import { untilAnswers } from '../../docker/until-answers.ts'
import { sendSignal } from '../../support/send-signal.ts'
import { removeUnfinished } from '../template/template.ts'
import { removeFolders } from './folders.ts'
import { listKept, removeKept } from './kept-clusters.ts'
import { removeRun } from './leftovers.ts'

const [run, only] = process.argv.slice(2)
process.title = `vitest-kubernetes lifeline ${run}`
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

const children = new Set<number>()
let isDone = false
let removing = Promise.resolve()
for await (const line of createInterface({ input: process.stdin })) {
  const [event, pid] = line.split(' ')
  if (event === 'started') children.add(Number(pid))
  if (event === 'ended') children.delete(Number(pid))
  if (event === 'done') isDone = true
  if (event === 'stay') removing = removing.then(removeExpired)
}
if (!isDone) await removeEverything()
await removing

async function removeEverything(): Promise<void> {
  for (const pid of children) sendSignal(pid, 'SIGKILL')
  if (only === 'children') return removeFolders(run!)
  const docker = openDocker()
  await untilAnswers(() => docker.engine.ping(), 600_000)
  // A request that the dead process had sent may still be under way in the engine: look twice.
  await removeRun(docker, run!)
  await new Promise((resolve) => setTimeout(resolve, 2000))
  await removeRun(docker, run!)
  await removeUnfinished(docker)
}

/** Looks every minute, so that it also ends when somebody else has removed what was kept. */
async function removeExpired(): Promise<void> {
  while (true) {
    // The engine may be restarted meanwhile.
    const next = await nextExpiry().catch(() => 60_000)
    if (next === undefined) return
    await new Promise((resolve) => setTimeout(resolve, Math.min(Math.max(next, 100), 60_000)))
  }
}

/** Removes what is due, and resolves to the milliseconds until more is; undefined when nothing is kept. */
async function nextExpiry(): Promise<number | undefined> {
  const docker = openDocker()
  const now = Date.now()
  // A stack stays until it is taken down.
  const kept = (await listKept(docker)).filter((each) => each.run === run && each.expires < Infinity)
  const expired = kept.filter(({ expires }) => expires <= now)
  for (const each of expired) await removeKept(docker, each)
  if (expired.length > 0) await removeUnfinished(docker)
  return kept.length > 0 ? Math.min(...kept.map(({ expires }) => expires)) - now : undefined
}
