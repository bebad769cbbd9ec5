import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { createKubeClient } from '../kube/client.ts'
import { runCommand } from '../support/run-command.ts'
import { findPids, findTraces, watchVitest } from '../testing/run-vitest.ts'
import { createTempProject } from '../testing/temp-project.ts'

interface SuiteParts {
  readonly agents?: number
  /** What the test does at its end. */
  readonly last?: string
  readonly keepFor?: number
}

const suite = (comment: string, { agents = 0, last = '', keepFor = 60_000 }: SuiteParts = {}) => `
import { readFile } from 'node:fs/promises'
import { describe, expect } from 'vitest-kubernetes'
import { createKubeClient } from '${new URL('../kube/client.ts', import.meta.url).pathname}'

// ${comment}
const options = {
  agents: ${agents},
  manifests: './settings.yaml',
  seed: { 'pod/store': { exec: ['sh', '-c', 'echo seeded >> /rows'] } },
  keep: 'on-failure',
  keepFor: ${keepFor},
}

describe.withCluster('watched', options, (test) => {
  test('finds what the manifest has, and nothing that a run before has left', async ({ cluster }) => {
    const kube = createKubeClient(await readFile(cluster.kubeconfigPath, 'utf8'))
    const maps = '/api/v1/namespaces/default/configmaps'
    const names = async (path) => (await kube.request('GET', path)).items.map(({ metadata }) => metadata.name)
    expect((await names(maps)).toSorted()).toEqual(['kube-root-ca.crt', 'settings'])
    expect(await names('/api/v1/namespaces')).not.toContain('by-hand')
    expect(await names('/apis/rbac.authorization.k8s.io/v1/clusterroles')).not.toContain('by-hand')
    const { data } = await kube.request('GET', maps + '/settings')
    const metadata = { name: 'by-hand' }
    await kube.request('POST', maps, { body: { metadata } })
    await kube.request('POST', '/api/v1/namespaces', { body: { metadata } })
    await kube.request('POST', '/apis/rbac.authorization.k8s.io/v1/clusterroles', { body: { metadata, rules: [] } })
    expect(await cluster.exec('pod/store', ['cat', '/rows'])).toMatchObject({ stdout: 'seeded\\n' })
    await cluster.exec('pod/store', ['sh', '-c', 'echo by-hand >> /rows'])
    console.log('answer ' + data.answer + ' in ' + cluster.name + ', ${comment}.')
    ${last}
  })
})
`
const fails = 'expect.fail("as it must")'
const settings = (answer: string) => `
{ apiVersion: v1, kind: ConfigMap, metadata: { name: settings }, data: { answer: ${answer} } }
---
apiVersion: v1
kind: Pod
metadata: { name: store }
spec: { terminationGracePeriodSeconds: 0, containers: [{ name: store, image: busybox:1.37, command: [sleep, infinity] }] }
`

test(
  'in watch mode a cluster is emptied and seeded for the next run, which a changed test or manifest starts',
  { timeout: 360_000 },
  async () => {
    // A stopped agent is what the API server does not tell of.
    const two = { agents: 1 }
    await using project = await createTempProject({ 'a.test.ts': suite('first', two), 'settings.yaml': settings('one') })
    const run = watchVitest(project.folder)
    const answer = async (text: string, result = /Tests +1 passed/) => {
      await run.prints(text)
      await run.prints(' for file changes')
      const [, cluster] = /in (vk-\S+),/.exec(run.output())!
      expect(run.output()).toMatch(result)
      run.forget()
      return cluster!
    }
    const cluster = await answer('answer one in vk-')

    // One that is kept is the next run's too: else each of many that fail would leave one.
    await project.write('a.test.ts', suite('failing', { ...two, last: fails }))
    await run.prints(`cluster "${cluster}" stays as it is until its suite runs again`)
    await run.prints(`npx vitest-kubernetes logs ${cluster}`)
    const [, kubeconfig] = /kubectl --kubeconfig (\S+) get/.exec(run.output())!
    expect(await createKubeClient(await readFile(kubeconfig!, 'utf8')).requestText('/readyz')).toBe('ok')
    expect(await answer(`answer one in ${cluster}, failing.`, /Tests +1 failed/)).toBe(cluster)
    await project.write('a.test.ts', suite('second', two))
    expect(await answer(`answer one in ${cluster}, second.`)).toBe(cluster)

    await project.write('settings.yaml', settings('two'))
    expect(await answer(`answer two in ${cluster}, second.`)).toBe(cluster)

    // A cluster that is broken between two runs is no reason to fail.
    await runCommand('docker', ['stop', '--time', '0', `k3d-${cluster}-agent-0`])
    await project.write('a.test.ts', suite('third', two))
    await run.prints(`starting a new cluster: node "k3d-${cluster}-agent-0" is not running`)
    const another = await answer(', third.')
    expect(another).not.toBe(cluster)

    // While vitest still finishes a run, the key only cancels that.
    const quit = () => {
      run.child.stdin!.write('q')
      return run.child.exitCode
    }
    await expect.poll(quit, { timeout: 20_000, interval: 500 }).not.toBe(null)
    await expect.poll(() => findTraces(`${cluster} ${another}`), { timeout: 10_000, interval: 250 }).toEqual([])
  },
)

test('a vitest that stays, as an editor keeps it, has no cluster when it has been idle', { timeout: 300_000 }, async () => {
  const files = { 'a.test.ts': suite('first'), 'settings.yaml': settings('one') }
  await using project = await createTempProject(files, { plugin: { idleTimeout: 2_000 } })
  const run = watchVitest(project.folder)
  await run.prints('answer one in vk-')
  const left = async () => (await findTraces(run.output())).filter((name) => /^(k3d-)?vk-/.test(name))
  expect(await left()).not.toEqual([])
  await expect.poll(left, { timeout: 30_000, interval: 500 }).toEqual([])

  // What is kept goes when its time is over, although vitest is still there.
  await project.write('a.test.ts', suite('failing', { last: fails, keepFor: 3_000 }))
  await run.prints(' is kept until ')
  await expect.poll(left, { timeout: 30_000, interval: 500 }).toEqual([])
  expect(run.child.exitCode).toBe(null)

  // A restart ends the clusters first: who hangs up meanwhile does not want the run that comes after it.
  await project.write('a.test.ts', suite('last', { keepFor: 3_000 }))
  await run.prints(', last.')
  const [pid] = await findPids(`vitest.mjs watch --root ${project.folder}`)
  const config = join(project.folder, 'vitest.config.ts')
  await writeFile(config, `${await readFile(config, 'utf8')}// changed`)
  await run.prints('Restarting due to')
  process.kill(pid!, 'SIGHUP')
  await run.ended
  await expect.poll(() => findTraces(run.output()), { timeout: 30_000, interval: 500 }).toEqual([])
})
