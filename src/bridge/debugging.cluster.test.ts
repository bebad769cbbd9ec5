import { setTimeout as sleep } from 'node:timers/promises'

import { expect, test } from 'vitest'

import type { RequestService, TestCluster } from '../client/test-cluster.ts'
import { findFreePort } from '../cluster/network/free-port.ts'
import { describe } from '../suite/describe.ts'
import { attachDebugger } from '../testing/debugger.ts'
import { nodeApp } from '../testing/node-app.ts'
import { podsOf, restartsOf } from '../testing/nodes.ts'
import { findTraces, runVitest } from '../testing/run-vitest.ts'

/** A pod that does not answer its probes for 3 s is taken out of its Service, and restarted after 5 s. */
const probe = { httpGet: { path: '/healthz', port: 3000 }, periodSeconds: 1, timeoutSeconds: 1 }
const shop = nodeApp('shop', { container: { readinessProbe: probe, livenessProbe: { ...probe, failureThreshold: 5 } } })
const workload = 'deployment/shop'
const servers = '../../fixtures/servers'

/** Longer than any probe, and than what a dead connection may take to be noticed. */
const pause = 40_000

/** A request meets a breakpoint, stays there, and goes on, and nobody has noticed. */
async function expectBreakpoint(
  { cluster, request }: { cluster: TestCluster; request: RequestService },
  host: string,
  port: number,
): Promise<void> {
  const before = restartsOf(await podsOf(cluster, 'shop'))
  expect(before).toHaveLength(1)
  using editor = await attachDebugger(host, port)
  await editor.breakAt(/debugged\.mjs$/, 5)
  const answer = request('shop').get('/orders').expect(200, 'local /orders')
  const answered = answer.then(() => 'answered')
  expect((await editor.paused())[0]).toBe('answer')
  expect(await Promise.race([answered, sleep(pause, 'stands')])).toBe('stands')
  await editor.resume()
  expect(await answered).toBe('answered')
  expect(restartsOf(await podsOf(cluster, 'shop'))).toEqual(before)
}

describe.withCluster('debugging', { images: ['node:24-slim'], manifests: shop, timeout: 120_000 }, (suiteTest) => {
  suiteTest('a breakpoint in a process on this machine', async ({ cluster, request }) => {
    const [inspector, port] = [await findFreePort(), await findFreePort()]
    await using bridge = await cluster.bridge(workload, {
      command: ['node', `--inspect=127.0.0.1:${inspector}`, 'debugged.mjs'],
      cwd: servers,
      env: { set: { PORT: String(port) } },
      ports: { http: port },
    })
    await expectBreakpoint({ cluster, request }, '127.0.0.1', inspector)
    expect(await bridge.problems()).toEqual([])
  })

  suiteTest('a breakpoint in a local container, whose port of the debugger is published', async ({ cluster, request }) => {
    await using bridge = await cluster.bridge(workload, {
      image: 'node:24-slim',
      command: ['node', '--inspect=0.0.0.0:9229', '/app/debugged.mjs'],
      mount: { [servers]: '/app' },
      publish: [9229],
    })
    const { host, port } = bridge.address(9229)
    await expectBreakpoint({ cluster, request }, host, port)
    expect(await bridge.problems()).toEqual([])
  })
})

test('a breakpoint in the test process', { timeout: 240_000 }, async () => {
  const port = await findFreePort()
  const args = [`--inspect=127.0.0.1:${port}`, '--no-file-parallelism', '--test-timeout=120000']
  const run = runVitest('debugged', { args })
  using editor = await attachDebugger('127.0.0.1', port)
  expect((await editor.paused())[0]).toBe('answer')
  await sleep(pause)
  await editor.resume()
  const { exitCode, output } = await run.ended
  expect(output).toContain('1 passed')
  expect(exitCode).toBe(0)
  expect(await findTraces(output)).toEqual([])
})
