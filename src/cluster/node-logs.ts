import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'

import type { Docker } from '../docker/docker.ts'

/** The last lines that the nodes of a cluster printed, fatal ones first in their own right: that is where the cause stands when a create fails. */
export async function readNodeLogs(docker: Docker, cluster: string, lines = 15): Promise<string> {
  const containers = await docker.engine.listContainers({ all: true, filters: { label: [`k3d.cluster=${cluster}`] } })
  const parts = await Promise.all(
    containers.map(async ({ Id, Names }) => {
      const both = new PassThrough()
      const raw = await docker.engine.getContainer(Id).logs({ stdout: true, stderr: true, tail: lines, follow: false })
      const source = new PassThrough()
      docker.engine.modem.demuxStream(source, both, both)
      source.end(raw, () => both.end())
      return `${Names[0]?.slice(1)}:\n${(await text(both)).trimEnd().replaceAll(/^/gm, '  ')}`
    }),
  )
  return parts.join('\n')
}
