// How long a node takes from `docker run` until its API is ready, its Node object is Ready, and cluster DNS answers.
// Usage: sh scripts/setup node scripts/bench/node-start.ts [runs]
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { request, type RequestOptions } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { run } from '../kit/run.ts'
import { median } from './median.ts'

const POLL = 25
const TIMEOUT = 60_000

interface Figures {
  readonly apiReady: number
  readonly nodeReady: number
  readonly dnsReady: number
  readonly stop: number
}

const image = process.env['VITEST_KUBERNETES_NODE_IMAGE']
if (!image) throw new Error('VITEST_KUBERNETES_NODE_IMAGE is not set: run this through `sh scripts/setup`.')
const runs = Number(process.argv[2] ?? 5)
const results: Figures[] = []
for (let i = 0; i < runs; i++) results.push(await measure(image))
console.table(results)
const medianOf = (key: keyof Figures) => median(results.map((result) => result[key]))
console.log(
  JSON.stringify({
    image,
    runs,
    median: { apiReady: medianOf('apiReady'), nodeReady: medianOf('nodeReady'), dnsReady: medianOf('dnsReady'), stop: medianOf('stop') },
  }),
)

async function measure(image: string): Promise<Figures> {
  const output = await mkdtemp(join(tmpdir(), 'node-start-'))
  const name = `node-start-${process.pid}`
  try {
    const start = performance.now()
    const seconds = () => Math.round(performance.now() - start) / 1000
    await run('docker', [
      ...['run', '--detach', '--name', name, '--privileged', '--tmpfs', '/run', '--tmpfs', '/var/run'],
      ...['--volume', `${output}:/output`, '--env', 'K3S_KUBECONFIG_OUTPUT=/output/kubeconfig.yaml'],
      ...['--publish', '127.0.0.1::6443', image, 'server'],
    ])
    const port = Number((await run('docker', ['port', name, '6443'])).trim().split(':').at(-1))
    const kubeconfig = await until(() => readFile(join(output, 'kubeconfig.yaml'), 'utf8').catch(() => undefined))
    const embedded = (key: string) => Buffer.from(new RegExp(`${key}: (\\S+)`).exec(kubeconfig)?.[1] ?? '', 'base64')
    const options = {
      host: '127.0.0.1',
      port,
      ca: embedded('certificate-authority-data'),
      cert: embedded('client-certificate-data'),
      key: embedded('client-key-data'),
    }
    const get = (path: string) => fetchText({ ...options, path })
    await until(async () => ((await get('/readyz')) === undefined ? undefined : true))
    const apiReady = seconds()
    await until(async () => (/"type":"Ready","status":"True"/.test((await get('/api/v1/nodes')) ?? '') ? true : undefined))
    const nodeReady = seconds()
    await until(async () => {
      const slices = await get(
        '/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices?labelSelector=kubernetes.io/service-name%3Dkube-dns',
      )
      return slices?.includes('"ready":true') ? true : undefined
    })
    const dnsReady = seconds()
    const stopping = performance.now()
    await run('docker', ['stop', name])
    return { apiReady, nodeReady, dnsReady, stop: Math.round(performance.now() - stopping) / 1000 }
  } finally {
    await run('docker', ['rm', '--force', '--volumes', name])
    await rm(output, { recursive: true, force: true })
  }
}

async function until<T>(probe: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + TIMEOUT
  while (performance.now() < deadline) {
    const result = await probe()
    if (result !== undefined) return result
    await sleep(POLL)
  }
  throw new Error(`The node was not ready within ${TIMEOUT / 1000} s. See its log with "docker logs".`)
}

/** Resolves with the body of a 200, and with undefined for any other answer or none: the server is still starting. */
function fetchText(options: RequestOptions): Promise<string | undefined> {
  return new Promise((resolve) => {
    const call = request(options, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => resolve(response.statusCode === 200 ? Buffer.concat(chunks).toString() : undefined))
      response.on('error', () => resolve(undefined))
    })
    call.on('error', () => resolve(undefined))
    call.end()
  })
}
