import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'

import { expect, test } from 'vitest'

import { formatInventory } from '../cli/format-inventory.ts'
import { readInventory } from '../cluster/ownership/inventory.ts'
import { findLeftovers, pruneLeftovers } from '../cluster/ownership/leftovers.ts'
import { connectDocker } from '../docker/docker.ts'
import { createKubeClient } from '../kube/client.ts'
import { findTraces, runVitest } from '../testing/run-vitest.ts'

test('the cluster of a suite that fails is kept for its time, and nothing prunes it before', { timeout: 180_000 }, async () => {
  const { output, exitCode } = await runVitest('keep').ended
  expect(exitCode).toBe(1)
  const [passed, failed] = ['passes', 'fails'].map((suite) => new RegExp(`^${suite} in (\\S+)$`, 'm').exec(output)![1]!)
  const [, kubeconfig] = /kubectl --kubeconfig (\S+) get pods --all-namespaces\n/.exec(output)!
  expect(output).toContain(`npx vitest-kubernetes logs ${failed}\n`)

  const [service, address] = /shop:80 {2}(http:\/\/127\.0\.0\.1:\d+)$/m.exec(output)!
  expect(await (await fetch(address!)).text()).toBe('shop')

  const docker = await connectDocker()
  expect(formatInventory(await readInventory(docker), new Map())).toContain(`Services of ${failed}:\n  ${service}`)
  await pruneLeftovers(docker)
  const traces = await findTraces(output)
  expect(traces).toContain(`k3d-${failed}-server-0`)
  expect(traces.filter((name) => name.includes(passed!))).toEqual([])
  expect((await findLeftovers(docker)).flatMap(({ clusters }) => clusters)).not.toContain(failed)
  expect((await stat(kubeconfig!)).mode & 0o777).toBe(0o600)
  const kube = createKubeClient(await readFile(kubeconfig!, 'utf8'))
  expect(await kube.requestText('/readyz')).toBe('ok')

  // By a process of its own, although vitest has ended.
  await expect.poll(() => findTraces(output), { timeout: 60_000, interval: 500 }).toEqual([])
  expect(existsSync(kubeconfig!)).toBe(false)
})
