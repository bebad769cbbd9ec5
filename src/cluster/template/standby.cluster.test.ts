import { afterAll, expect, test } from 'vitest'

import { connectDocker } from '../../docker/docker.ts'
import { findTraces, runVitest } from '../../testing/run-vitest.ts'
import { createTempProject } from '../../testing/temp-project.ts'
import { listTemplates, removeTemplate } from './template.ts'

const root = new URL('../../../', import.meta.url).pathname
const docker = await connectDocker()

/** vitest starts with the file that took longest. */
const suite = (name: string, { text = name, seconds = 0 } = {}) => `
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { describe } from 'vitest-kubernetes'
import { createKubeClient } from '${root}src/kube/client.ts'
import { echoApp } from '${root}src/testing/echo-app.ts'

const settings = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { text: '${text}' } }

describe.withCluster('standby ${name}', { images: ['busybox:1.37'], manifests: [...echoApp('web'), settings] }, (test) => {
  test('answers, in a cluster that is ready', async ({ cluster }) => {
    expect(await (await fetch(cluster.url('web'))).text()).toBe('web')
    const kube = createKubeClient(await readFile(cluster.kubeconfigPath, 'utf8'))
    const { items } = await kube.request('GET', '/api/v1/nodes')
    expect(items[0].status.conditions.find(({ type }) => type === 'Ready').status).toBe('True')
    expect((await kube.request('GET', '/api/v1/namespaces/default/configmaps/settings')).data).toEqual({ text: '${text}' })
    await sleep(${seconds * 1_000})
  })
})
`
const templatesOf = async () => (await listTemplates(docker)).filter(({ name }) => name.startsWith('standby '))

afterAll(async () => {
  for (const template of await templatesOf()) await removeTemplate(docker, template)
})

/** States of the run's nodes, by the name of the suite. */
async function nodesOf(output: string): Promise<Readonly<Record<string, string>>> {
  const [, run] = /vk-([0-9a-f]{6})-/.exec(output)!
  const containers = await docker.engine.listContainers({
    all: true,
    filters: { label: [`vitest-kubernetes.run=${run}`, 'k3d.role=server'] },
  })
  return Object.fromEntries(containers.map(({ Names, State }) => [/standby-(\w)/.exec(Names[0]!)?.[1] ?? '', State]))
}

test(
  'the suites that come next have clusters that were started before and sleep, and nothing of them is left',
  { timeout: 900_000 },
  async () => {
    await using project = await createTempProject(
      {
        'a.test.ts': suite('a', { seconds: 25 }),
        'b.test.ts': suite('b', { seconds: 12 }),
        'c.test.ts': suite('c'),
      },
      { test: { maxWorkers: 1 }, plugin: { templates: true, maxClusters: 1 } },
    )
    const start = () => runVitest('', { folder: project.folder })
    const first = await start().ended
    expect(first.exitCode, first.output).toBe(0)
    expect(await templatesOf()).toHaveLength(3)

    // One for each slot, although one runs; and it wakes now and then, as a node that is not heard of for long is not ready.
    const second = start()
    await second.prints('✓ standby a wait')
    await expect.poll(() => nodesOf(second.output()), { timeout: 60_000 }).toEqual({ a: 'running', b: 'paused' })
    await project.write('c.test.ts', suite('c', { text: 'changed' }))
    await second.prints('✓ standby b wait')
    await expect.poll(() => nodesOf(second.output()), { timeout: 60_000 }).toEqual({ b: 'running', c: 'paused' })
    const { exitCode, output } = await second.ended
    expect(exitCode, output).toBe(0)
    expect(output).toMatch(/✓ standby b +cluster +k3d cluster ".*", a fork of "standby b" that was started before /)
    // The manifest of the last one has changed: what was started for it was of no use.
    expect(output).toMatch(/✓ standby c +cluster +k3d cluster "[^"]*" /)
    expect(await findTraces(output)).toEqual([])

    const third = start()
    await third.prints('✓ standby a wait')
    await expect.poll(() => nodesOf(third.output()), { timeout: 60_000 }).toMatchObject({ b: 'paused' })
    process.kill(-third.child.pid!, 'SIGKILL')
    await third.ended
    await expect.poll(() => findTraces(third.output()), { timeout: 60_000, interval: 500 }).toEqual([])
  },
)
