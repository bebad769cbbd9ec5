import { type RunInventory, readInventory } from '../cluster/ownership/inventory.ts'
import { connectDocker } from '../docker/docker.ts'
import { readMemory } from '../docker/stats.ts'
import type { RunCommand } from './command.ts'
import { formatInventory } from './format-inventory.ts'

export const list: RunCommand = async ({ values }, { print }) => {
  const docker = await connectDocker()
  const runs = await readInventory(docker)
  const running = runs.flatMap(containersOf).filter(({ state }) => state === 'running')
  const read = await Promise.all(running.map(async ({ name }) => [name, await readMemory(docker, name)] as const))
  const memory = new Map(read.flatMap(([name, bytes]) => (bytes === undefined ? [] : [[name, bytes] as const])))
  print(values['json'] ? JSON.stringify({ runs: runs.map((run) => withMemory(run, memory)) }, null, 2) : formatInventory(runs, memory))
  return 0
}

function containersOf({ clusters }: RunInventory) {
  return clusters.flatMap(({ containers }) => containers)
}

function withMemory(run: RunInventory, memory: ReadonlyMap<string, number>) {
  const clusters = run.clusters.map((cluster) => ({
    ...cluster,
    containers: cluster.containers.map((container) => ({ ...container, memory: memory.get(container.name) })),
  }))
  return { ...run, clusters }
}
