import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect } from 'vitest'

import type { TestCluster } from '../../client/test-cluster.ts'
import { describe } from '../../suite/describe.ts'
import { kubeOf } from '../../testing/nodes.ts'
import { parseSubstitutes, substituteImage } from '../images/image-names.ts'
import type { ChartOptions } from '../tool-options.ts'
import { planCharts } from './charts.ts'
import { installChart } from './install-chart.ts'

const options = {
  // Of a kind that a chart brings.
  manifests: { apiVersion: 'shop.example.com/v1', kind: 'Widget', metadata: { name: 'blue' }, spec: {} },
  images: { hello: { build: '../../../fixtures/charts/hello' }, busybox: 'busybox:1.37' },
  kustomize: '../../../fixtures/kustomize/overlays/test',
  secrets: { 'shop-keys': '../../../fixtures/sops/shop.enc.env' },
  sops: { ageKeyFile: '../../../fixtures/sops/test.agekey' },
  charts: {
    shop: { chart: '../../../fixtures/charts/shop', valuesFiles: '../../../fixtures/sops/values.enc.yaml', values: { number: 356136738 } },
    other: { chart: '../../../fixtures/charts/shop', namespace: 'shops', values: { jobSeconds: 0 } },
  },
} as const

describe.withCluster('charts', options, (test) => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'charts-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  test('a release runs the image that was built, and so does its hook', async ({ cluster, request }) => {
    for (const service of ['shop-api', 'other-api.shops']) await request(service).get('/').expect(200, 'hello from the chart\n')
    const { spec } = (await cluster.get('job/shop-check')) as unknown as Deployment
    expect(spec.template.spec.containers[0]!.image).toMatch(/^hello:vk-/)
    expect(await cluster.logs('job/shop-check')).toBe('hello from the chart\n')
  })

  test('a custom resource in "manifests" is applied once the chart has brought its kind', async ({ cluster }) => {
    const kube = await kubeOf(cluster)
    expect(await kube.request('GET', '/apis/shop.example.com/v1/namespaces/default/widgets/blue')).toMatchObject({ kind: 'Widget' })
  })

  test('Jobs have ended and all pods of a StatefulSet are ready', async ({ cluster }) => {
    expect(await cluster.get('job/shop-import')).toMatchObject({ status: { succeeded: 1 } })
    expect(await cluster.get('statefulset/shop-store')).toMatchObject({ status: { readyReplicas: 2 } })
  })

  test('values of an encrypted file and of the suite reach the pods', async ({ cluster }) => {
    expect((await cluster.exec('deployment/shop-api', ['sh', '-c', 'echo $PASSWORD'])).stdout).toBe('wonderland\n')
    expect((await cluster.exec('deployment/other-api', ['sh', '-c', 'echo $PASSWORD'], { namespace: 'shops' })).stdout).toBe('none\n')
    const kube = await kubeOf(cluster)
    const { data } = await kube.request<{ data: Record<string, string> }>('GET', '/api/v1/namespaces/default/configmaps/shop-values')
    expect(JSON.parse(data['values.json']!)).toMatchObject({ number: 356136738, extras: { colour: 'red' } })
  })

  test('a variable that stands twice in a chart has the later value', async ({ cluster }) => {
    expect((await cluster.exec('deployment/shop-api', ['sh', '-c', 'echo $MODE'])).stdout).toBe('override\n')
  })

  test('an overlay of Kustomize gets the image that was built, and a file of sops becomes a Secret', async ({ cluster }) => {
    const { stdout } = await cluster.exec('deployment/test-worker', ['sh', '-c', 'echo $QUOTED $COLOUR'])
    expect(stdout).toBe('no blue\n')
    const kube = await kubeOf(cluster)
    const { data } = await kube.request<{ data: Record<string, string> }>('GET', '/api/v1/namespaces/default/secrets/shop-keys')
    expect(Buffer.from(data['API_TOKEN']!, 'base64').toString()).toBe('through the looking-glass')
  })

  /** Tests of releases of their own, which wait most of their time. */
  const together = { concurrent: true }

  /** The chart with a hook, as a suite installs it. */
  async function install(
    cluster: TestCluster,
    release: string,
    values: ChartOptions['values'],
    signal: AbortSignal,
    onChild?: (pid: number) => void,
    options: Partial<ChartOptions> = {},
  ) {
    const notes: string[] = []
    const chart = { chart: join(import.meta.dirname, '../../../fixtures/charts/hooks'), values, ...options }
    const [plan] = await planCharts({ [release]: chart }, { folder, runFolder: folder, namespace: 'default' })
    const image = substituteImage(parseSubstitutes(process.env['VITEST_KUBERNETES_IMAGES']), 'busybox:1.37')
    await installChart(plan!, {
      kube: await kubeOf(cluster),
      kubeconfigPath: cluster.kubeconfigPath,
      postRender: { namespace: 'default', images: { 'busybox:1.37': { image } }, podSpecs: {} },
      onNote: (text) => notes.push(text),
      onChild: (event, pid) => event === 'started' && onChild?.(pid),
      signal,
    })
    return notes
  }

  test(
    'a hook that fails is reported with the log of its pod, although the chart has it deleted',
    together,
    async ({ cluster, signal }) => {
      const failing = { command: 'echo no such table: orders; exit 3' }
      await expect(install(cluster, 'failing', failing, signal)).rejects.toMatchObject({
        code: 'ERR_HELM_FAILED',
        message: expect.stringMatching(
          /^Release "failing" could not be installed in namespace "default": .*\nHook job\/failing-migrate ended with exit code 3\. Last lines of container "migrate":\n {2}no such table: orders/s,
        ),
      })
      expect(await install(cluster, 'failing', {}, signal)).toEqual(['release "failing" was left failed: uninstalled'])
      expect(await install(cluster, 'failing', { command: 'echo again' }, signal)).toEqual([])
    },
  )

  test(
    'workloads may wait for a hook that comes after them, and Helm waits no longer than it is told',
    together,
    async ({ cluster, signal, expect }) => {
      await mkdir(join(folder, 'late/templates'), { recursive: true })
      await writeFile(join(folder, 'late/Chart.yaml'), 'apiVersion: v2\nname: late\nversion: 0.1.0\n')
      const container = `{ name: app, image: 'busybox:1.37', command: [sleep, '600'], envFrom: [{ configMapRef: { name: '{{ .Release.Name }}' } }] }`
      const templates = [
        `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: '{{ .Release.Name }}', annotations: { helm.sh/hook: post-install } }\ndata: { WHO: late }`,
        `apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: '{{ .Release.Name }}' }\nspec:\n  selector: { matchLabels: { app: '{{ .Release.Name }}' } }\n  template:\n    metadata: { labels: { app: '{{ .Release.Name }}' } }\n    spec: { terminationGracePeriodSeconds: 0, containers: [${container}] }`,
      ]
      await writeFile(join(folder, 'late/templates/all.yaml'), templates.join('\n---\n'))
      await expect(install(cluster, 'waits', {}, signal, undefined, { chart: './late', timeout: 3_000 })).rejects.toMatchObject({
        code: 'ERR_HELM_FAILED',
        message: expect.stringMatching(/^Release "waits" could not be installed in namespace "default": .*/) as string,
      })
      await install(cluster, 'late', {}, signal, undefined, { chart: './late', wait: false })
      await expect
        .poll(() => cluster.exec('deployment/late', ['sh', '-c', 'echo $WHO']).then(({ stdout }) => stdout, String), { timeout: 60_000 })
        .toBe('late\n')
    },
  )

  test('a release that takes too long is reported with the state of the cluster', together, async ({ cluster }) => {
    await expect(install(cluster, 'slow', { command: 'sleep 60' }, AbortSignal.timeout(8_000))).rejects.toMatchObject({
      code: 'ERR_HELM_FAILED',
      message: expect.stringMatching(/^Release "slow" was not installed in time.*\nPods:\n.*\nHint: If it only needs more time/s),
    })
  })

  test.for([
    ['SIGKILL', 'pending-install'],
    ['SIGINT', 'failed'],
  ] as const)('a release that %s has left %s is cleared away', together, async ([name, state], { cluster, signal, expect }) => {
    const release = `left-by-${name.toLowerCase()}`
    let pid = 0
    // Nothing but what the plugin adds has Helm delete the hook, which an uninstall without hooks leaves.
    const deletePolicy = 'hook-succeeded'
    const interrupted = install(cluster, release, { command: 'sleep 60', deletePolicy }, signal, (started) => (pid = started))
    interrupted.catch(() => undefined)
    await expect
      .poll(
        () =>
          cluster.logs(`job/${release}-migrate`).then(
            () => true,
            () => false,
          ),
        { timeout: 60_000 },
      )
      .toBe(true)
    process.kill(pid, name)
    await expect(interrupted).rejects.toMatchObject({ code: 'ERR_HELM_FAILED' })
    const again = { command: 'echo second', deletePolicy: 'hook-failed' }
    expect(await install(cluster, release, again, signal)).toEqual([`release "${release}" was left ${state}: uninstalled`])
    expect(await cluster.logs(`job/${release}-migrate`)).toBe('second\n')
  })
})

interface Deployment {
  readonly spec: { readonly template: { readonly spec: { readonly containers: readonly { readonly image: string }[] } } }
}
