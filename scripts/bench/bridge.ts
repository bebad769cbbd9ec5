// Measures the bridge on one cluster in one run: node scripts/bench/bridge.ts
import { once } from 'node:events'
import { Agent, type IncomingMessage, request as httpRequest } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { cpus, loadavg } from 'node:os'

import type { BridgeOptions } from '../../src/bridge/options.ts'
import { readAddresses } from '../../src/bridge/side/read-addresses.ts'
import { startBroker } from '../../src/broker/broker.ts'
import { leaseCluster } from '../../src/broker/client.ts'
import { createTestBridges } from '../../src/client/test-bridges.ts'
import { startTunnel } from '../../src/cluster/network/tunnel-container.ts'
import { connectDocker } from '../../src/docker/docker.ts'
import { execInContainer } from '../../src/docker/exec.ts'
import { readSettings } from '../../src/engine/settings.ts'
import { createRecorder } from '../../src/report/recorder.ts'
import { nodeApp } from '../../src/testing/node-app.ts'

const megabytes = 100
const server = `
const http = require('node:http'), chunk = Buffer.alloc(1 << 20)
process.on('SIGTERM', () => process.exit(0))
http.createServer((request, response) => {
  if (request.url === '/down') { let left = ${megabytes}; const more = () => { while (left-- > 0) if (!response.write(chunk)) return response.once('drain', more); response.end() }; return more() }
  if (request.method === 'PUT') return request.on('data', () => {}).on('end', () => response.end('ok'))
  response.end(process.env.ANSWER ?? 'pod')
}).listen(3000)`
const local: BridgeOptions = { image: 'node:24-slim', command: ['node', '-e', server], env: { set: { ANSWER: 'local' } } }
const lifecycle = { preStop: { sleep: { seconds: 3 } } }
const options = { replicas: 2, container: { lifecycle }, pod: { terminationGracePeriodSeconds: 10 } }

await using broker = await startBroker({
  ...readSettings(process.env),
  outputs: [],
  maxClusters: 1,
  isWatch: false,
  idleTimeout: 0,
  recorder: createRecorder(undefined),
  progress: () => () => {},
})
await using held = await leaseCluster(broker.address, {
  suite: 'bench',
  id: 'bench',
  file: import.meta.filename,
  folder: import.meta.dirname,
  options: { images: ['node:24-slim'], manifests: nodeApp('shop', options, server) },
  sources: [],
  bridged: [],
})
const bridges = createTestBridges(held, import.meta.dirname)
const docker = await connectDocker()
const node = `k3d-${held.lease.name}-server-0`
const kubectl = (...args: string[]) => execInContainer(docker, node, ['kubectl', ...args], { timeout: 60_000 })
const { host, hostPort } = readAddresses(held.lease.addressesFile)().find(({ service }) => service === 'shop')!
const direct = `http://${host}:${hostPort}`

console.log(`${cpus().length} processors, Node.js ${process.version}, load ${loadavg()[0]!.toFixed(1)} at the start`)
await measureSwitch()
await measureRollout()
await measureTraffic()
console.log(`load ${loadavg()[0]!.toFixed(1)} at the end`)

async function measureSwitch(): Promise<void> {
  console.log(
    '\nmedian (min to max) of 15\nreplicas  to first local answer             to first answer of a pod          until all is gone',
  )
  for (const replicas of [1, 2, 8]) {
    await kubectl('scale', `--replicas=${replicas}`, 'deploy/shop')
    await kubectl('rollout', 'status', 'deploy/shop')
    const to: number[] = []
    const back: number[] = []
    const gone: number[] = []
    for (let i = 0; i < 16; i++) {
      const started = performance.now()
      const bridge = await bridges.bridge('deployment/shop', { server: (_, response) => void response.end('local') })
      await expectAnswer('local')
      const bridged = performance.now()
      const disposal = bridge[Symbol.asyncDispose]()
      let isPod = false
      while (!isPod) isPod = (await get(direct, new Agent()).catch(() => '')) === 'pod'
      const restored = performance.now()
      await disposal
      await expectAnswer('pod')
      // The first one opens the connections to the nodes, once for all bridges of a suite.
      if (i > 0) to.push(bridged - started)
      if (i > 0) back.push(restored - bridged)
      if (i > 0) gone.push(performance.now() - bridged)
    }
    console.log(`${String(replicas).padStart(8)}  ${spread(to)}  ${spread(back)}  ${spread(gone)}`)
  }
  await kubectl('scale', '--replicas=2', 'deploy/shop')
  await kubectl('rollout', 'status', 'deploy/shop')
}

async function measureRollout(): Promise<void> {
  await using _bridge = await bridges.bridge('deployment/shop', local)
  const answers: Record<string, number> = {}
  const rollout = kubectl('rollout', 'restart', 'deploy/shop').then(() => kubectl('rollout', 'status', 'deploy/shop'))
  let isOver = false
  void rollout.then(() => (isOver = true))
  for (let i = 0; i < 1000 || !isOver; i++) {
    const answer = await get(direct, new Agent()).catch((error: Error) => error.message)
    answers[answer] = (answers[answer] ?? 0) + 1
  }
  console.log('\nrequests one after the other during a rollout, by answer:', answers)
}

async function measureTraffic(): Promise<void> {
  const forward = await startPortForward()
  await using tunnel = await startTunnelTo(hostPort)
  const rows: Record<string, string>[] = []
  for (const [name, url, side] of [
    ['direct', direct, undefined],
    ['bridged', direct, local],
    ['tunnel', tunnel.url, undefined],
    ['port-forward', forward, undefined],
  ] as const) {
    await using stack = new AsyncDisposableStack()
    if (side) stack.use(await bridges.bridge('deployment/shop', side))
    const row: Record<string, string> = { way: name }
    for (const connections of [1, 8, 64]) {
      const { rate, p50, p99 } = await load(url, connections)
      row[`${connections} connections`] = `${rate.toFixed(0)}/s p50 ${p50.toFixed(2)} p99 ${p99.toFixed(2)} ms`
    }
    row['100 MB down'] = `${(await transfer(url, 'GET')).toFixed(0)} MB/s`
    row['100 MB up'] = `${(await transfer(url, 'PUT')).toFixed(0)} MB/s`
    rows.push(row)
  }
  console.table(rows)
}

/** As with a remote engine, but this process is both the client and an end of the tunnel. */
async function startTunnelTo(port: number): Promise<AsyncDisposable & { readonly url: string }> {
  const { Config } = await docker.engine.getContainer(node).inspect()
  const { tunnel, ...container } = await startTunnel(
    docker,
    { name: held.lease.name, image: Config.Image, labels: {} },
    AbortSignal.timeout(60_000),
  )
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (local) =>
    tunnel.join(local, `127.0.0.1:${port}`),
  )
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close()
      await container[Symbol.asyncDispose]()
    },
  }
}

async function startPortForward(): Promise<string> {
  const { NetworkSettings } = await docker.engine.getContainer(node).inspect()
  const exec = await docker.engine
    .getContainer(node)
    .exec({ Cmd: ['kubectl', 'port-forward', '--address', '0.0.0.0', 'deploy/shop', '3999:3000'] })
  // The answer is nobody's, and would keep this process alive.
  ;(await exec.start({ Detach: true })).destroy()
  const url = `http://${Object.values(NetworkSettings.Networks)[0]!.IPAddress}:3999`
  for (let attempt = 0; attempt < 100; attempt++) {
    if (await get(url, new Agent()).catch(() => undefined)) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return url
}

async function load(url: string, connections: number): Promise<{ rate: number; p50: number; p99: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const times: number[] = []
  const started = performance.now()
  const until = started + 4_000
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() < until) {
        const sent = performance.now()
        await get(url, agent)
        times.push(performance.now() - sent)
      }
    }),
  )
  const seconds = (performance.now() - started) / 1000
  agent.destroy()
  times.sort((a, b) => a - b)
  return { rate: times.length / seconds, p50: times[Math.floor(times.length * 0.5)]!, p99: times[Math.floor(times.length * 0.99)]! }
}

/** MB/s, the better one of three. */
async function transfer(url: string, method: 'GET' | 'PUT'): Promise<number> {
  const rates: number[] = []
  for (let i = 0; i < 3; i++) {
    const started = performance.now()
    const request = httpRequest(method === 'PUT' ? url : `${url}/down`, { method, agent: new Agent() })
    request.end(method === 'PUT' ? Buffer.alloc(megabytes << 20) : undefined)
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    for await (const _ of response);
    rates.push((megabytes * 1.048_576) / ((performance.now() - started) / 1000))
  }
  return Math.max(...rates)
}

async function expectAnswer(expected: string): Promise<void> {
  const answer = await get(direct, new Agent())
  if (answer !== expected) throw new Error(`Expected the answer "${expected}", got "${answer}".`)
}

async function get(url: string, agent: Agent): Promise<string> {
  const request = httpRequest(url, { agent }).end()
  // A connection may also break after its answer.
  request.on('error', () => {})
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return (await response.setEncoding('utf8').toArray()).join('')
}

function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  const [median, min, max] = [sorted[Math.floor(sorted.length / 2)]!, sorted[0]!, sorted.at(-1)!].map((each) => each.toFixed(0))
  return `${median} ms (${min} to ${max})`.padEnd(32)
}
