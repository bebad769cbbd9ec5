import { readFile, readdir, readlink, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { writeFrame } from '../broker/frames.ts'
import { pruneLeftovers } from '../cluster/ownership/leftovers.ts'
import { clusterLabel } from '../cluster/ownership/owner.ts'
import { connectDocker } from '../docker/docker.ts'
import { execInContainer } from '../docker/exec.ts'
import { removeContainer } from '../docker/remove.ts'
import { type VitestRun, runVitest } from '../testing/run-vitest.ts'

/** In the fixture: of a Secret, of an environment variable of a bridge, of the nodes' environment. */
const secrets = ['secret-of-the-manifest', 'secret-of-the-bridge', 'secret-of-the-nodes'] as const

let run: VitestRun
let cluster: string
let stranger: string
/** Arguments of all processes that there were at any time, from the start of the run on. */
const commands = new Set<string>()
let isWatching = true
let watching: Promise<void>

beforeAll(async () => {
  watching = watchCommands()
  run = runVitest('security')
  await run.prints('the test waits')
  cluster = /vk-[0-9a-f]{6}-[a-z0-9-]+/.exec(run.output())![0]
  stranger = await createStranger()
}, 200_000)

afterAll(async () => {
  isWatching = false
  run.child.kill('SIGTERM')
  await run.ended
  await watching
  await removeContainer(await connectDocker(), stranger)
}, 60_000)

test('every port is bound to loopback', async () => {
  const { engine } = await connectDocker()
  const own = await Promise.all(
    [`k3d.cluster=${cluster}`, `${clusterLabel}=${cluster}`].map((label) => engine.listContainers({ filters: { label: [label] } })),
  )
  const bound = await Promise.all(
    own.flat().map(async ({ Id }) => {
      const { HostConfig, NetworkSettings } = await engine.getContainer(Id).inspect()
      const all = [HostConfig.PortBindings, NetworkSettings.Ports] as Record<string, { HostIp: string }[] | null>[]
      return all.flatMap((ports) => Object.values(ports ?? {}).flatMap((each) => (each ?? []).map(({ HostIp }) => HostIp)))
    }),
  )
  // The API server, the gateway and the port that a local container publishes.
  expect(bound.flat().length).toBeGreaterThanOrEqual(6)
  expect(new Set(bound.flat())).toEqual(new Set(['127.0.0.1']))
})

test('no process of vitest listens anywhere but on loopback, and on the gateway of the cluster for its bridge', async () => {
  const { engine } = await connectDocker()
  const { IPAM } = (await engine.getNetwork(cluster).inspect()) as { IPAM: { Config: { Gateway?: string }[] } }
  const gateways = IPAM.Config.flatMap(({ Gateway }) => Gateway ?? [])
  const addresses = (await listeners(await groupOf(run.child.pid!))).map(({ address }) => address)
  expect(addresses).toContain('127.0.0.1')
  expect(addresses.filter((address) => address !== '127.0.0.1' && !gateways.includes(address))).toEqual([])
})

test('a bridge listens to its cluster and this machine alone, not to containers of other networks', async () => {
  const docker = await connectDocker()
  const own = (await listeners(await groupOf(run.child.pid!))).filter(({ address }) => address !== '127.0.0.1')
  expect(own).toHaveLength(1)
  const [{ address, port }] = own as [{ address: string; port: number }]
  await expect(fetch(`http://${address}:${port}/`)).resolves.toMatchObject({ status: expect.any(Number) as number })
  const ask = `wget -q -O - http://${address}:${port}/ 2>&1 || :`
  expect(await execInContainer(docker, stranger, ['sh', '-c', ask], { timeout: 30_000 })).toMatch(/^wget: .*(reset|closed)/)
})

test('the kubeconfig is private, and so is its folder', async () => {
  const path = /^kubeconfig (\S+)$/m.exec(run.output())![1]!
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect((await stat(dirname(path))).mode & 0o777).toBe(0o700)
})

test('what k3d left of its config file is as private', async () => {
  const folder = dirname(/^kubeconfig (\S+)$/m.exec(run.output())![1]!)
  const files = await readdir(folder)
  expect(files.some((name) => name.startsWith('k3d-config-tmp'))).toBe(true)
  for (const name of files) expect((await stat(`${folder}/${name}`)).mode & 0o077, name).toBe(0)
})

test('no process had a secret in its arguments, while everything was set up', () => {
  // It has seen what there was to see.
  expect([...commands].some((command) => /k3d cluster create/.test(command))).toBe(true)
  for (const secret of secrets) expect([...commands].filter((command) => command.includes(secret))).toEqual([])
})

test('they arrived all the same', () => {
  expect(run.output()).toMatch(/^arrived 22 20 19$/m)
  expect(run.output()).toContain('odd "$HOME"@server:0\\\n')
})

test('the broker serves nobody without its token', async () => {
  const { port, token } = JSON.parse(/^broker (.*)$/m.exec(run.output())![1]!) as { port: number; token: string }
  for (const wrong of ['', 'x'.repeat(32), 'null', token.slice(1)]) expect(await answerOf(port, wrong), wrong).toBe('')
  expect(await answerOf(port, token)).toContain('[birpc] function \\"none\\" not found')
})

test('prune leaves a stranger alone that has a name like ours, and labels of nobody’s', async () => {
  const docker = await connectDocker()
  const leftovers = await pruneLeftovers(docker)
  expect(leftovers.flatMap(({ clusters }) => clusters)).not.toContain(cluster)
  expect((await docker.engine.getContainer(stranger).inspect()).State.Running).toBe(true)
  expect(await docker.engine.listContainers({ filters: { label: [`k3d.cluster=${cluster}`] } })).not.toEqual([])
})

/** A container that anyone could have made: called like one of ours, of k3d, and of a label with our prefix. */
async function createStranger(): Promise<string> {
  const { engine } = await connectDocker()
  const [node] = await engine.listContainers({ filters: { label: [`k3d.cluster=${cluster}`] } })
  const container = await engine.createContainer({
    name: 'k3d-vk-000000-stranger-0000-server-0',
    Image: node!.Image,
    Entrypoint: ['sleep', '600'],
    Labels: { app: 'k3d', 'k3d.cluster': 'vk-000000-stranger-0000', 'vitest-kubernetes.note': 'not ours' },
  })
  await container.start()
  return container.id
}

/** Looks again and again, since most processes live only for a moment. */
async function watchCommands(): Promise<void> {
  while (isWatching) {
    for (const pid of await pids()) {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      if (command) commands.add(command.replaceAll('\0', ' '))
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function pids(): Promise<readonly number[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
}

/** vitest and its workers. */
async function groupOf(group: number): Promise<readonly number[]> {
  const found = await Promise.all(
    (await pids()).map(async (pid) => {
      const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
      return Number(line.slice(line.lastIndexOf(')') + 2).split(' ')[2]) === group ? [pid] : []
    }),
  )
  return found.flat()
}

/** By the inodes of a process' sockets in /proc/net/tcp (proc(5)). */
async function listeners(processes: readonly number[]): Promise<readonly { readonly address: string; readonly port: number }[]> {
  const inodes = new Set<string>()
  for (const pid of processes) {
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')
      const [, inode] = /^socket:\[(\d+)\]$/.exec(target) ?? []
      if (inode) inodes.add(inode)
    }
  }
  const tables = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'utf8').catch(() => '')))
  return tables.flatMap((table) =>
    table
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state, , , , , , inode = '']) => state === '0A' && inodes.has(inode))
      .map(([, local = '']) => {
        const [address = '', port = ''] = local.split(':')
        return { address: addressOf(address), port: Number.parseInt(port, 16) }
      }),
  )
}

/** IPv4 in the byte order of the machine; IPv6 as it is, which is enough to see that it is there. */
function addressOf(hex: string): string {
  return hex.length === 8
    ? hex
        .match(/../g)!
        .toReversed()
        .map((byte) => Number.parseInt(byte, 16))
        .join('.')
    : hex
}

/** What comes back when a token is followed by a call. */
function answerOf(port: number, token: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => {
      writeFrame(socket, Buffer.from(token))
      writeFrame(socket, Buffer.from(JSON.stringify({ t: 'q', i: '1', m: 'none', a: [] })))
    })
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text
      socket.destroy()
    })
    // Whoever is cut off has sent more than was read.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => resolve(answer))
  })
}
