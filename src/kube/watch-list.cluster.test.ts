import { readFile } from 'node:fs/promises'

import { waitForReady } from '../stack/ready/wait.ts'
import { describe } from '../suite/describe.ts'
import { startStallingProxy, startWatchProxy } from '../testing/api-proxy.ts'
import { shellPod } from '../testing/echo-app.ts'
import { createKubeClient } from './client.ts'
import { execInPod } from './exec.ts'
import type { KubeObject } from './object.ts'
import { watchList } from './watch-list.ts'

const path = '/api/v1/namespaces/default/configmaps'
const configMap = (name: string): KubeObject => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } })
const target = { namespace: 'default', pod: 'shell', container: 'app' }

// Each waits most of its time, for a connection of its own.
describe.concurrent.withCluster('watches', { manifests: shellPod('shell', 'exec sleep 1000') }, (test) => {
  test('a watch that the server ends goes on from its last version, and one whose version is too old lists again', async ({
    cluster,
    signal,
    expect,
  }) => {
    await using proxy = await startWatchProxy(await readFile(cluster.kubeconfigPath, 'utf8'))
    using list = await watchList<KubeObject>(createKubeClient(proxy.kubeconfig), path, { onChange: () => {}, signal })
    const names = () => list.items.map(({ metadata }) => metadata.name)
    const watches = () => proxy.requests.filter((request) => request.startsWith('watch '))
    const lists = () => proxy.requests.filter((request) => request === `GET ${path}`)
    await expect.poll(watches, { timeout: 10_000 }).toHaveLength(1)

    await cluster.apply(configMap('before'))
    await expect.poll(names, { timeout: 10_000 }).toContain('before')
    proxy.end()
    await expect.poll(watches, { timeout: 10_000 }).toHaveLength(2)
    await cluster.apply(configMap('after-the-end'))
    await expect.poll(names, { timeout: 10_000 }).toContain('after-the-end')
    expect(lists()).toHaveLength(1)
    expect(watches()[1]).not.toBe(watches()[0])

    proxy.expire()
    await expect.poll(lists, { timeout: 10_000 }).toHaveLength(2)
    await cluster.apply(configMap('after-410'))
    await expect.poll(names, { timeout: 10_000 }).toContain('after-410')
  })

  test('a watch on whose connection no byte comes any more is given up for another one', async ({ cluster, signal, expect }) => {
    await using proxy = await startStallingProxy(await readFile(cluster.kubeconfigPath, 'utf8'))
    using list = await watchList<KubeObject>(createKubeClient(proxy.kubeconfig), path, { onChange: () => {}, signal })
    await expect.poll(() => proxy.open, { timeout: 10_000 }).toBeGreaterThan(0)
    await cluster.apply(configMap('while-it-works'))
    await expect.poll(() => list.items.map(({ metadata }) => metadata.name), { timeout: 10_000 }).toContain('while-it-works')
    proxy.stall()
    await cluster.apply(configMap('while-it-is-silent'))
    await expect.poll(() => list.items.map(({ metadata }) => metadata.name), { timeout: 90_000 }).toContain('while-it-is-silent')
  })

  test('nothing outlives its deadline, whatever the connection does', async ({ cluster, expect }) => {
    await using proxy = await startStallingProxy(await readFile(cluster.kubeconfigPath, 'utf8'))
    const kube = createKubeClient(proxy.kubeconfig)
    const stop = new AbortController()
    using list = await watchList<KubeObject>(kube, path, { onChange: () => {}, signal: stop.signal })
    expect(list.items.length).toBeGreaterThan(0)
    await expect.poll(() => proxy.open, { timeout: 10_000 }).toBeGreaterThan(0)
    proxy.stall({ all: true })

    const started = performance.now()
    const signal = AbortSignal.timeout(1_500)
    const never = shellPod('never', '')
    await Promise.all([
      expect(waitForReady(kube, [never], { signal })).rejects.toMatchObject({ name: 'TimeoutError' }),
      expect(execInPod(kube, target, ['true'], { signal })).rejects.toMatchObject({ name: 'TimeoutError' }),
      expect(kube.request('GET', path, { timeout: 1_500 })).rejects.toMatchObject({
        code: 'ERR_KUBE_UNREACHABLE',
        message: expect.stringMatching(
          /^The API server at https:\/\/127\.0\.0\.1:\d+ did not answer GET \/api\/v1\/\S+: no answer within 1500 ms\.$/,
        ),
      }),
    ])
    stop.abort(new Error('enough'))
    await expect.poll(() => proxy.open, { timeout: 15_000 }).toBe(0)
    expect(performance.now() - started).toBeLessThan(30_000)
  })

  test(
    'exit codes are true and output is whole, twenty times each, both outputs apart',
    { timeout: 180_000 },
    async ({ cluster, expect }) => {
      const kube = createKubeClient(await readFile(cluster.kubeconfigPath, 'utf8'))
      const signal = AbortSignal.timeout(150_000)
      for (const [script, exitCode] of [
        ['echo out; echo err >&2', 0],
        ['echo out; echo err >&2; exit 1', 1],
        ['echo out; echo err >&2; kill -9 $$', 137],
      ] as const) {
        const results = await Promise.all(Array.from({ length: 20 }, () => execInPod(kube, target, ['sh', '-c', script], { signal })))
        expect(new Set(results.map((result) => JSON.stringify(result)))).toEqual(
          new Set([JSON.stringify({ stdout: 'out\n', stderr: 'err\n', exitCode })]),
        )
      }
      const unknown = await Promise.allSettled(Array.from({ length: 20 }, () => execInPod(kube, target, ['no-such-program'], { signal })))
      for (const each of unknown) {
        if (each.status === 'fulfilled') expect(each.value.exitCode).toBeGreaterThan(125)
        else expect(each.reason).toMatchObject({ code: 'ERR_KUBE_EXEC_FAILED' })
      }
    },
  )
})
