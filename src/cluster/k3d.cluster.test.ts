import { access, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { connectDocker } from '../docker/docker.ts'
import { execInContainer } from '../docker/exec.ts'
import { isEmpty, listByLabel } from '../docker/remove.ts'
import { parseSubstitutes, substituteImage } from '../stack/images/image-names.ts'
import { messageOf } from '../support/errors.ts'
import { poll } from '../support/poll.ts'
import type { Progress } from '../support/progress.ts'
import { runCommand } from '../support/run-command.ts'
import { startCluster } from './cluster.ts'
import { findK3d } from './k3d.ts'
import { createOwner, newClusterName } from './ownership/owner.ts'

/** What a cluster of a test's own is started from; its folder goes with the test. */
async function prepare(cleanup: AsyncDisposableStack, label: string, timeout: number) {
  const docker = await connectDocker()
  const folder = await mkdtemp(join(tmpdir(), 'k3d-'))
  cleanup.defer(() => rm(folder, { recursive: true }))
  const owner = createOwner()
  const image = process.env.VITEST_KUBERNETES_NODE_IMAGE
  const signal = AbortSignal.timeout(timeout)
  return { name: newClusterName(owner, label), label, docker, owner, folder, image, signal, progress: () => {} }
}

const isGone = async ({ docker, name, owner }: Awaited<ReturnType<typeof prepare>>) =>
  isEmpty(await listByLabel(docker, [`k3d.cluster=${name}`, `vitest-kubernetes.run=${owner.run}`]))

test(
  'k3d itself drives a cluster: import, stop, start, delete; what was in it is there again after the start',
  { timeout: 240_000 },
  async () => {
    await using cleanup = new AsyncDisposableStack()
    const parts = await prepare(cleanup, 'k3d', 200_000)
    const { docker, folder, signal } = parts
    // "k3d cluster delete" rewrites the kubeconfig that it finds.
    const k3d = (...args: string[]) =>
      runCommand('k3d', args, { env: { ...docker.env, KUBECONFIG: join(folder, 'config'), TMPDIR: folder } })
    const cluster = cleanup.use(await startCluster({ ...parts, k3d: await findK3d(docker) }))
    const path = '/api/v1/namespaces/default/configmaps'
    await cluster.kube.request('POST', path, { body: { metadata: { name: 'kept' }, data: { answer: '42' } }, signal })

    const image = substituteImage(parseSubstitutes(process.env.VITEST_KUBERNETES_IMAGES), 'busybox:1.37')
    // Its import takes a command that Docker has not started yet for one that has ended, and says so or not (k3d-io/k3d#1025, open).
    const importImage = async () => {
      await k3d('image', 'import', '--mode', 'direct', '--cluster', cluster.name, image).catch((error: unknown) => {
        if (!messageOf(error).includes('Failed to copy read stream.')) throw error
      })
      return execInContainer(docker, cluster.nodes[0]!.container, ['crictl', 'images'], { timeout: 30_000 })
    }
    await expect.poll(importImage, { timeout: 60_000 }).toContain(image.split(':')[0])

    await k3d('cluster', 'stop', cluster.name)
    await k3d('cluster', 'start', cluster.name)
    const kept = await poll(async () => cluster.kube.request<{ data: object }>('GET', `${path}/kept`, { signal }), {
      interval: 200,
      signal,
    })
    expect(kept.data).toEqual({ answer: '42' })
    expect(JSON.parse(await k3d('cluster', 'list', '--output', 'json'))).toContainEqual(
      expect.objectContaining({ name: cluster.name, serversRunning: 1 }),
    )

    await k3d('cluster', 'delete', cluster.name)
    expect(await k3d('cluster', 'list', '--no-headers')).not.toContain(cluster.name)
    await cleanup.disposeAsync()
    expect(await isGone(parts)).toBe(true)
  },
)

test('a cluster whose nodes do not start fails with what they say, and leaves nothing', { timeout: 180_000 }, async () => {
  await using cleanup = new AsyncDisposableStack()
  const parts = await prepare(cleanup, 'broken', 170_000)
  const { docker, folder, name } = parts
  // In the place of k3s, and of kubectl and iptables, which are links to it: it ends as that does on a host whose limits are too low.
  const fatal = 'level=fatal msg="inotify_init: too many open files"'
  const lines = `for line in 1 2 3 4 5 6 7 8 9 10 11 12; do echo level=info $line; done`
  await writeFile(join(folder, 'k3s'), `#!/bin/sh\n[ "$1" = server ] || exit 0\necho '${fatal}'\n${lines}\nexit 1\n`, { mode: 0o755 })
  const notes: string[] = []
  const progress: Progress = ({ kind, text }) => void (kind === 'note' && notes.push(text))
  const started = startCluster({
    ...{ ...parts, progress },
    k3d: await findK3d(docker),
    volumes: [`${join(folder, 'k3s')}:/bin/k3s`],
  })
  const message = new RegExp(
    [
      `could not create cluster "${name}":[^]*`,
      'What the nodes say:',
      `k3d-${name}-server-0:`,
      `(?:  ${fatal}`,
      '[^]*)  level=info 12',
    ].join('\n'),
  )
  await expect(started).rejects.toMatchObject({
    code: 'ERR_CLUSTER_CREATE_FAILED',
    message: expect.stringMatching(message) as string,
    hint: expect.stringContaining('sudo sysctl fs.inotify.max_user_instances=512') as string,
  })
  expect(notes.filter((note) => note.includes('cgroup v1'))).toHaveLength(docker.cgroupVersion === 1 ? 1 : 0)
  expect(await isGone(parts)).toBe(true)
})

/** The real k3d, with something that happens at its first `cluster create`. */
async function k3dBehind(folder: string, script: string): Promise<string> {
  const program = join(folder, 'k3d.mjs')
  await writeFile(
    program,
    `#!/usr/bin/env node
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
const args = process.argv.slice(2)
const mark = ${JSON.stringify(join(folder, 'created'))}
if (args[1] === 'create' && !existsSync(mark)) {
  writeFileSync(mark, '')
  ${script}
}
const { status } = spawnSync('k3d', args, { stdio: 'inherit' })
process.exit(status ?? 1)
`,
    { mode: 0o755 },
  )
  return program
}

test('a port of the API server that somebody gets first is chosen anew', { timeout: 180_000 }, async () => {
  await using cleanup = new AsyncDisposableStack()
  const parts = await prepare(cleanup, 'port', 170_000)
  const { docker, folder } = parts
  const take = `const address = args[args.indexOf('--api-port') + 1].split(':')
  await new Promise((resolve) => createServer().listen(Number(address[1]), address[0], resolve))`
  const cluster = cleanup.use(await startCluster({ ...parts, k3d: await findK3d(docker, await k3dBehind(folder, take)) }))
  await access(join(folder, 'created'))
  const nodes = await cluster.kube.request<{ items: object[] }>('GET', '/api/v1/nodes', { signal: AbortSignal.timeout(10_000) })
  expect(nodes.items).toHaveLength(1)
})

test('a k3d that somebody kills is named, with the signal, and leaves nothing', { timeout: 60_000 }, async () => {
  await using cleanup = new AsyncDisposableStack()
  const parts = await prepare(cleanup, 'killed', 50_000)
  const { docker, folder, name } = parts
  const k3d = await findK3d(docker, await k3dBehind(folder, "process.kill(process.pid, 'SIGKILL')"))
  const started = startCluster({ ...parts, k3d })
  await expect(started).rejects.toMatchObject({
    code: 'ERR_CLUSTER_CREATE_FAILED',
    message: expect.stringMatching(`^k3d could not create cluster "${name}": it was ended by SIGKILL\\.`) as string,
  })
  expect(await isGone(parts)).toBe(true)
})
