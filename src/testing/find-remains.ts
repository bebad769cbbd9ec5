import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'

import { connectDocker } from '../docker/docker.ts'
import { findTraces } from './run-vitest.ts'

/** Ports of this machine that lead to what a run has in Docker. */
export async function publishedPorts(output: string): Promise<readonly number[]> {
  const [, run] = /vk-([0-9a-f]{6})-/.exec(output)!
  const docker = await connectDocker()
  const containers = await docker.engine.listContainers({ filters: { label: [`vitest-kubernetes.run=${run}`] } })
  return containers.flatMap(({ Ports }) => Ports.flatMap(({ PublicPort }) => PublicPort ?? []))
}

/** Everything that a run left: in Docker, folders, processes; what is left of its local sides; and ports that take connections. */
export async function findRemains(output: string, ports: readonly number[] = []): Promise<readonly string[]> {
  const docker = await connectDocker()
  const containers = new Set((await docker.engine.listContainers({ all: true })).map(({ Id }) => Id))
  const left = await Promise.all(
    namedIn(output).map(async (name) => {
      // A process that has ended, and that nobody has asked about, does not run.
      if (/^\d+$/.test(name)) return /^State:\s+[^ZX\s]/m.test(await readFile(`/proc/${name}/status`, 'utf8').catch(() => '')) ? [name] : []
      return existsSync(name) || containers.has(name) ? [name] : []
    }),
  )
  const open = await Promise.all(ports.map(async (port) => ((await isOpen(port)) ? [`port ${port}`] : [])))
  return [...(await findTraces(output)), ...left.flat(), ...open.flat()]
}

/** What the suite `bridges` says of its local sides: processes, folders, and a container. */
export function namedIn(output: string): readonly string[] {
  const find = (what: RegExp) => what.exec(output)?.slice(1) ?? []
  return [...find(/^processes (\d+) (\d+)$/m), ...find(/^folders (\S+) (\S+)$/m), ...find(/^container (\w+)$/m)]
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true))
    socket.on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}
