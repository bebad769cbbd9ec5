import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterAll, expect, test } from 'vitest'

import { connectDocker } from '../../docker/docker.ts'
import { findTraces, runVitest } from '../../testing/run-vitest.ts'
import { createTempProject } from '../../testing/temp-project.ts'
import { listTemplates, removeTemplate } from './template.ts'

const root = new URL('../../../', import.meta.url).pathname
const docker = await connectDocker()

/** Its test goes on until there is a file `end-NAME`. */
const suite = (name: string, text = name) => `
import { existsSync } from 'node:fs'
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
    while (!existsSync(new URL('./end-${name}', import.meta.url))) await sleep(100)
  }, 300_000)
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

async function removeNode(output: string, name: string): Promise<void> {
  const [, run] = /vk-([0-9a-f]{6})-/.exec(output)!
  const filters = { label: [`vitest-kubernetes.run=${run}`, 'k3d.role=server'] }
  const found = (await docker.engine.listContainers({ all: true, filters })).find(({ Names }) => Names[0]!.includes(`standby-${name}`))
  await docker.engine.getContainer(found!.Id).remove({ force: true, v: true })
}

test(
  'the suites that come next have clusters that were started before and sleep, and nothing of them is left',
  { timeout: 900_000 },
  async () => {
    const names = ['a', 'b', 'c']
    await using project = await createTempProject(
      Object.fromEntries(names.map((name) => [`${name}.test.ts`, suite(name)])),
      // In the same order each time, and one after the other.
      { test: { maxWorkers: 1, sequence: { shuffle: { files: true }, seed: 0 } }, plugin: { templates: true, maxClusters: 1 } },
    )
    const endOf = (name: string) => join(project.folder, `end-${name}`)
    const start = () => runVitest('', { folder: project.folder })
    for (const name of names) await writeFile(endOf(name), '')
    const made = await start().ended
    expect(made.exitCode, made.output).toBe(0)
    expect(await templatesOf(), made.output).toHaveLength(3)
    for (const name of names) await rm(endOf(name))
    const [first, next, last] = [...made.output.matchAll(/✓ standby (\w) +wait/g)].map(([, name]) => name!)

    const run = start()
    const untilNodesAre = (states: object) => expect.poll(() => nodesOf(run.output()), { timeout: 120_000 }).toEqual(states)
    // One for each slot, although one runs; and it wakes now and then, as a node that is not heard of for long is not ready.
    await run.prints(`✓ standby ${first} wait`)
    await untilNodesAre({ [first!]: 'running', [next!]: 'paused' })
    await untilNodesAre({ [first!]: 'running', [next!]: 'running' })
    await untilNodesAre({ [first!]: 'running', [next!]: 'paused' })
    await writeFile(endOf(first!), '')
    await run.prints(`✓ standby ${next} wait`)
    await untilNodesAre({ [next!]: 'running', [last!]: 'paused' })
    // What was started for it is of no use now.
    await project.write(`${last}.test.ts`, suite(last!, 'changed'))
    for (const name of [next!, last!]) await writeFile(endOf(name), '')
    const { exitCode, output } = await run.ended
    expect(exitCode, output).toBe(0)
    expect(output).toMatch(new RegExp(`✓ standby ${next} +cluster +k3d cluster ".*", a fork of "standby ${next}" that was started before `))
    expect(output).toMatch(new RegExp(`✓ standby ${last} +cluster +k3d cluster "[^"]*" `))
    expect(await findTraces(output)).toEqual([])

    for (const name of names) await rm(endOf(name))
    const killed = start()
    const nodes = () => nodesOf(killed.output())
    await killed.prints(`✓ standby ${first} wait`)
    await expect.poll(nodes, { timeout: 120_000 }).toMatchObject({ [next!]: 'paused' })
    // Somebody removes it meanwhile.
    await removeNode(killed.output(), next!)
    await writeFile(endOf(first!), '')
    await killed.prints(`✓ standby ${next} wait`)
    expect(killed.output()).toMatch(/another one is started: "k3d-vk-\S+-server-0" of "vk-\S+", which slept, does not run any more\./)
    await expect.poll(nodes, { timeout: 120_000 }).toEqual({ [next!]: 'running', [last!]: 'paused' })
    process.kill(-killed.child.pid!, 'SIGKILL')
    await killed.ended
    await expect.poll(() => findTraces(killed.output()), { timeout: 60_000, interval: 500 }).toEqual([])
  },
)
