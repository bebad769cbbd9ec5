import { type RunInventory, readInventory } from '../cluster/ownership/inventory.ts'
import { listTemplates } from '../cluster/template/template.ts'
import { connectDocker } from '../docker/docker.ts'
import { readMemory } from '../docker/stats.ts'
import { counted, formatBytes } from '../support/format.ts'
import type { RunCommand } from './command.ts'
import { formatInventory } from './format-inventory.ts'

export const list: RunCommand = async ({ values }, { print }) => {
  const docker = await connectDocker()
  const [runs, templates] = await Promise.all([readInventory(docker), listTemplates(docker)])
  const running = runs.flatMap(containersOf).filter(({ state }) => state === 'running')
  const read = await Promise.all(running.map(async ({ name }) => [name, await readMemory(docker, name)] as const))
  const memory = new Map(read.flatMap(([name, bytes]) => (bytes === undefined ? [] : [[name, bytes] as const])))
  const sizes = templates.map(({ key, name: suite, size }) => ({ key, suite, size }))
  if (values['json']) print(JSON.stringify({ runs: runs.map((run) => withMemory(run, memory)), templates: sizes }, null, 2))
  else print(formatInventory(runs, memory))
  const total = formatBytes(sizes.reduce((sum, { size }) => sum + size, 0))
  if (sizes.length > 0 && !values['json']) print(`\n${counted(sizes.length, 'template')}, ${total}: npx vitest-kubernetes templates`)
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
