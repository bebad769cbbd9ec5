import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { runCommand } from '../../support/run-command.ts'
import { startChartRegistry } from '../../testing/chart-registry.ts'
import { createIdentity } from '../../testing/tls.ts'
import type { ChartOptions } from '../tool-options.ts'
import { planCharts } from './charts.ts'

let folder: string
let server: Server
let repo: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'charts-'))
  server = createServer(async (request, response) => {
    const file = await readFile(join(folder, request.url!)).catch(() => undefined)
    response.writeHead(file ? 200 : 404).end(file ?? 'absent')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  repo = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  for (const version of ['0.9.0', '1.2.3']) await helm('package', shop, '--version', version, '--destination', folder)
  await helm('repo', 'index', folder)
})
afterAll(async () => {
  server.close()
  await rm(folder, { recursive: true })
})

const shop = join(import.meta.dirname, '../../../fixtures/charts/shop')
const helm = (...args: string[]) => runCommand('helm', args, { env: { HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder } })

/** The version of the chart that a suite would install, and what it renders to. */
async function plan(options: ChartOptions) {
  const [planned] = await planCharts({ shop: { values: { replicas: 3 }, ...options } }, { folder, runFolder: folder, namespace: 'default' })
  const version = /^version: (\S+)$/m.exec(await readFile(join(planned!.path, 'Chart.yaml'), 'utf8'))?.[1]
  return { version, names: planned!.manifests.map(({ object }) => object.metadata.name) }
}

test('a chart of a repository: the latest version, or the one that is asked for', async () => {
  const latest = await plan({ chart: 'shop', repo })
  expect(latest).toEqual({ version: '1.2.3', names: expect.arrayContaining(['shop-api', 'shop-store', 'shop-values']) as string[] })
  expect(await plan({ chart: 'shop', repo, version: '0.9.0' })).toEqual({ ...latest, version: '0.9.0' })
  expect(await plan({ chart: 'shop', repo, version: '<1' })).toMatchObject({ version: '0.9.0' })
})

test('a chart by the URL of its archive, and an archive in a folder', async () => {
  expect(await plan({ chart: `${repo}/shop-0.9.0.tgz` })).toMatchObject({ version: '0.9.0' })
  const [planned] = await planCharts({ shop: './shop-0.9.0.tgz' }, { folder, runFolder: folder, namespace: 'default' })
  expect(planned!.manifests.length).toBeGreaterThan(0)
})

test('a chart of a registry', async () => {
  const identity = await createIdentity('localhost')
  await writeFile(join(folder, 'ca.pem'), identity.cert)
  await using registry = await startChartRegistry(identity)
  for (const version of ['0.9.0', '1.2.3'])
    await helm('push', join(folder, `shop-${version}.tgz`), `oci://${registry.host}/charts`, '--ca-file', join(folder, 'ca.pem'))
  const { SSL_CERT_FILE } = process.env
  // What Helm, a Go program, trusts instead of the machine's certificates.
  process.env['SSL_CERT_FILE'] = join(folder, 'ca.pem')
  try {
    const chart = `oci://${registry.host}/charts/shop`
    expect(await plan({ chart })).toMatchObject({ version: '1.2.3' })
    expect(await plan({ chart, version: '0.9.0' })).toMatchObject({ version: '0.9.0' })
    await expect(plan({ chart, version: '7.0.0' })).rejects.toMatchObject({ code: 'ERR_HELM_CHART_NOT_FOUND' })
    await expect(plan({ chart: `oci://${registry.host}/charts/absent` })).rejects.toMatchObject({ code: 'ERR_HELM_CHART_NOT_FOUND' })
  } finally {
    if (SSL_CERT_FILE === undefined) delete process.env['SSL_CERT_FILE']
    else process.env['SSL_CERT_FILE'] = SSL_CERT_FILE
  }
})

test('says which chart, version or repository is not there', async () => {
  const messageOf = async (options: ChartOptions) => {
    const error = (await plan(options).catch((reason: unknown) => reason)) as Error & { code: string }
    return `${error.code} ${String(error)}`.replaceAll(repo, 'http://repo').replaceAll(folder, '/folder')
  }
  expect(await messageOf({ chart: 'absent', repo })).toMatchInlineSnapshot(`
    "ERR_HELM_CHART_NOT_FOUND ClusterTestError: Chart "absent" of release "shop" could not be downloaded from "http://repo": chart "absent" not found in http://repo repository
    Hint: Check the name of the chart and its version."
  `)
  expect(await messageOf({ chart: 'shop', repo, version: '7.0.0' })).toMatchInlineSnapshot(`
    "ERR_HELM_CHART_NOT_FOUND ClusterTestError: Chart "shop", version 7.0.0, of release "shop" could not be downloaded from "http://repo": chart "shop" version "7.0.0" not found in http://repo repository
    Hint: Check the name of the chart and its version."
  `)
  expect(await messageOf({ chart: 'shop', repo: `${repo}/nothing` })).toMatchInlineSnapshot(`
    "ERR_HELM_FAILED ClusterTestError: Chart "shop" of release "shop" could not be downloaded from "http://repo/nothing": looks like "http://repo/nothing" is not a valid chart repository or cannot be reached: failed to fetch http://repo/nothing/index.yaml : 404 Not Found
    Hint: Check the address, and log in with "helm registry login" if needed."
  `)
  expect(await messageOf({ chart: 'shop', repo: 'http://127.0.0.1:1' })).toMatchInlineSnapshot(`
    "ERR_HELM_FAILED ClusterTestError: Chart "shop" of release "shop" could not be downloaded from "http://127.0.0.1:1": looks like "http://127.0.0.1:1" is not a valid chart repository or cannot be reached: Get "http://127.0.0.1:1/index.yaml": dial tcp 127.0.0.1:1: connect: connection refused
    Hint: Check the address, and log in with "helm registry login" if needed."
  `)
  expect(await messageOf({ chart: 'oci://localhost:1/charts/shop' })).toMatchInlineSnapshot(`
    "ERR_HELM_FAILED ClusterTestError: Chart "oci://localhost:1/charts/shop" of release "shop" could not be downloaded: Get "https://localhost:1/v2/charts/shop/tags/list": dial tcp 127.0.0.1:1: connect: connection refused
    Hint: Check the address, and log in with "helm registry login" if needed."
  `)
  expect(await messageOf({ chart: 'shop' })).toMatchInlineSnapshot(`
    "ERR_HELM_CHART_NOT_FOUND ClusterTestError: Chart "shop" of release "shop" is neither a path nor a URL and has no \`repo\`.
    Hint: Set its repository ({ chart: 'shop', repo: 'https://…' }), or write "./shop" for a folder."
  `)
})
