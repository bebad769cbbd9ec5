// How long the quickstart's images take into the nodes of a cluster: by this package and by the plain commands, one after the other.
// Usage: sh scripts/setup node scripts/bench/images.ts [rounds]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

import { type Cluster, startCluster } from '../../src/cluster/cluster.ts'
import { findK3d } from '../../src/cluster/k3d.ts'
import { createOwner, newClusterName } from '../../src/cluster/ownership/owner.ts'
import { connectDocker } from '../../src/docker/docker.ts'
import { readSettings } from '../../src/engine/settings.ts'
import { importImages } from '../../src/stack/images/import-images.ts'
import { run } from '../kit/run.ts'
import { prepareQuickstart } from './quickstart.ts'

const rounds = Number(process.argv[2] ?? 3)
const { env } = process
const settings = readSettings(env)
const signal = AbortSignal.timeout(30 * 60_000)
const docker = await connectDocker()
const k3d = await findK3d(docker, settings.k3d)
const { images } = await prepareQuickstart(docker, settings, signal)
const references = images.map(({ reference }) => reference)

const methods: Record<string, (cluster: Cluster) => Promise<unknown>> = {
  'this package': (cluster) => importImages(docker, cluster, images, signal),
  'docker save | ctr import': async ({ nodes }) => {
    for (const { name } of nodes) await saveInto(name)
  },
  'k3d image import': ({ name }) => run('k3d', ['image', 'import', ...references, '--cluster', name]),
}
if (env['K3D_IMAGE_TOOLS']?.startsWith('vitest-kubernetes/')) {
  delete methods['k3d image import']
  console.log('Without "k3d image import": the offline stand-in for its tools image cannot do it.')
}

for (const agents of [0, 1]) {
  const folder = await mkdtemp(join(tmpdir(), 'images-bench-'))
  try {
    const owner = createOwner()
    await using cluster = await startCluster({
      ...{
        name: newClusterName(owner, 'images'),
        label: 'images',
        docker,
        k3d,
        owner,
        folder,
        image: settings.nodeImage,
        agents,
        signal,
      },
      progress: () => {},
    })
    await measureOn(cluster)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function measureOn(cluster: Cluster): Promise<void> {
  const load = loadavg()[0]!
  const figures = new Map(Object.keys(methods).map((method) => [method, [] as number[]]))
  for (let round = 0; round < rounds; round++) {
    const order = Object.entries(methods)
    for (const [method, work] of round % 2 === 0 ? order : order.toReversed()) {
      const started = performance.now()
      await work(cluster)
      figures.get(method)!.push((performance.now() - started) / 1000)
      await checkNodes(cluster)
      await Promise.all(cluster.nodes.map(({ name }) => removeImages(name)))
    }
  }
  for (const [method, seconds] of figures) {
    const median = seconds.toSorted((a, b) => a - b)[seconds.length >> 1]!
    const result = { method, nodes: cluster.nodes.length, images: images.length, seconds: round(median), all: seconds.map(round) }
    console.log(JSON.stringify({ ...result, rounds, load: round(load) }))
  }
}

async function saveInto(node: string): Promise<void> {
  const save = spawn('docker', ['save', ...references], { stdio: ['ignore', 'pipe', 'inherit'] })
  const load = spawn('docker', ['exec', '--interactive', node, 'ctr', '-n', 'k8s.io', 'images', 'import', '-'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const ended = once(load, 'exit')
  await pipeline(save.stdout, load.stdin)
  const [code] = await ended
  if (code !== 0) throw new Error(`ctr ended with exit code ${code}`)
}

/** k3d ends with 0 also when an import has failed. */
async function checkNodes({ nodes }: Cluster): Promise<void> {
  for (const { name } of nodes) {
    const listed = await run('docker', ['exec', name, 'crictl', 'images', '--output', 'json'])
    const absent = images.filter(({ id }) => !listed.includes(id))
    if (absent.length > 0) throw new Error(`${name} lacks ${absent.map(({ reference }) => reference).join(', ')}`)
  }
}

/** With all that they consist of, so that the next import finds nothing. */
async function removeImages(node: string): Promise<void> {
  const names = (await run('docker', ['exec', node, 'ctr', '-n', 'k8s.io', 'images', 'ls', '-q'])).trim().split('\n')
  const imported = names.filter((name) => references.some((reference) => name.endsWith(`/${reference}`)))
  if (imported.length > 0) await run('docker', ['exec', node, 'ctr', '-n', 'k8s.io', 'images', 'rm', '--sync', ...imported])
}

function round(seconds: number): number {
  return Math.round(seconds * 100) / 100
}
