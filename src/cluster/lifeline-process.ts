import { createInterface } from 'node:readline'

import { connectDocker } from '../docker/docker.ts'
import { removeRun } from './leftovers.ts'

const [run] = process.argv.slice(2)
process.title = `vitest-kubernetes lifeline ${run}`
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

const children = new Set<number>()
let isDone = false
for await (const line of createInterface({ input: process.stdin })) {
  const [event, pid] = line.split(' ')
  if (event === 'started') children.add(Number(pid))
  if (event === 'ended') children.delete(Number(pid))
  if (event === 'done') isDone = true
}
if (!isDone) await removeEverything()

async function removeEverything(): Promise<void> {
  for (const pid of children) kill(pid)
  const docker = await connectDocker()
  // A request that the dead process had sent may still be under way in the engine: look twice.
  await removeRun(docker, run!)
  await new Promise((resolve) => setTimeout(resolve, 2000))
  await removeRun(docker, run!)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
