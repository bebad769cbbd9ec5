import { readFile } from 'node:fs/promises'

import { expect, test } from 'vitest'

const read = (path: string) => readFile(new URL(`../${path}`, import.meta.url), 'utf8')

/** Headings of docs/options.md, and the types whose keys stand below them. */
const sections: Readonly<Record<string, readonly (readonly [file: string, type: string])[]>> = {
  'What runs in the cluster': [
    ['src/stack/options.ts', 'StackOptions'],
    ['src/stack/tool-options.ts', 'ToolOptions'],
    ['src/stack/tool-options.ts', 'SopsOptions'],
  ],
  'The cluster': [['src/stack/options.ts', 'ClusterOptions']],
  'An image that is built': [['src/stack/options.ts', 'ImageBuild']],
  'A folder in pods': [['src/stack/mount-options.ts', 'MountTarget']],
  'A chart': [['src/stack/tool-options.ts', 'ChartOptions']],
  'Every service': [['src/stack/services/definition.ts', 'CommonServiceOptions']],
  'A database': [['src/stack/services/definition.ts', 'DatabaseOptions']],
  NATS: [['src/stack/services/nats.ts', 'NatsOptions']],
  RabbitMQ: [['src/stack/services/rabbitmq.ts', 'RabbitmqOptions']],
  Redis: [['src/stack/services/redis.ts', 'RedisOptions']],
  'Any other service': [['src/stack/services/service.ts', 'GeneralServiceOptions']],
  'A seed that is a command': [
    ['src/stack/seed-options.ts', 'SeedExec'],
    ['src/stack/seed-options.ts', 'Durable'],
  ],
  'A seed that is a request': [
    ['src/stack/seed-options.ts', 'SeedHttp'],
    ['src/stack/seed-options.ts', 'Durable'],
  ],
  'A seed that is a Job': [['src/stack/seed-options.ts', 'SeedJob']],
  'A check of readiness': [
    ['src/stack/ready-options.ts', 'HttpCheck'],
    ['src/stack/ready-options.ts', 'TcpCheck'],
    ['src/stack/ready-options.ts', 'GraphqlCheck'],
    ['src/stack/ready-options.ts', 'ConditionCheck'],
    ['src/stack/ready-options.ts', 'FieldCheck'],
    ['src/stack/ready-options.ts', 'ReadyCheck'],
  ],
  'A bridge': [
    ['src/bridge/options.ts', 'TargetOptions'],
    ['src/bridge/options.ts', 'PortOptions'],
    ['src/bridge/options.ts', 'FromPodOptions'],
    ['src/bridge/options.ts', 'RunningContainerBridgeOptions'],
    ['src/bridge/options.ts', 'SuiteBridgeOptions'],
  ],
  'A server in the test process': [['src/bridge/options.ts', 'ServerBridgeOptions']],
  'A process on this machine': [['src/bridge/options.ts', 'CommandBridgeOptions']],
  'A local container': [['src/bridge/options.ts', 'LocalContainerOptions']],
  'A local container that replaces nothing': [['src/bridge/options.ts', 'RunOptions']],
  'A disturbance': [['src/bridge/options.ts', 'DisturbOptions']],
  '`cluster.cut`': [['src/bridge/options.ts', 'CutOptions']],
  Environment: [['src/bridge/side/env.ts', 'EnvOptions']],
  '`cluster.exec`': [
    ['src/client/test-cluster.ts', 'InNamespace'],
    ['src/client/test-cluster.ts', 'ExecOptions'],
  ],
  '`cluster.logs`': [['src/client/test-cluster.ts', 'ClusterLogOptions']],
  '`cluster.env`': [['src/client/test-cluster.ts', 'ClusterEnvOptions']],
  '`cluster.restart`, `cluster.scale`': [
    ['src/client/test-cluster.ts', 'InNamespace'],
    ['src/client/test-cluster.ts', 'ChangePodsOptions'],
  ],
  'The plugin': [['src/plugin/plugin.ts', 'KubernetesPluginOptions']],
}

test('docs/options.md has every option with its default, and no other', async () => {
  const declared: Record<string, readonly string[]> = {}
  for (const [heading, types] of Object.entries(sections)) {
    const options = await Promise.all(types.map(async ([file, type]) => optionsOf(await read(file), type)))
    declared[heading] = [...new Set(options.flat())]
  }
  const documented = Object.fromEntries(
    [...(await readPage())].map(([heading, rows]) => [heading, rows.map(({ name, fallback }) => `${name}: ${fallback}`)]),
  )
  expect(documented).toEqual(declared)
})

test('every option is explained on the page that docs/options.md names, and used by the file that it names', async () => {
  const wrong: string[] = []
  for (const [heading, rows] of await readPage())
    for (const { name, page, file } of rows) {
      const code = [...(await read(`docs/${page}`)).matchAll(/```.*?```|`[^`\n]+`/gs)].map(([span]) => span).join('\n')
      if (!new RegExp(`\\b${name}\\b`).test(code)) wrong.push(`${heading}: ${page} does not have ${name}`)
      if (!new RegExp(`\\b${name}\\b *[:,}(]`).test(await read(file))) wrong.push(`${heading}: ${file} does not use ${name}`)
    }
  expect(wrong).toEqual([])
})

/** `name: default` of an interface's own keys. */
function optionsOf(source: string, type: string): readonly string[] {
  const [, body] = new RegExp(`(?:interface|type) ${type}\\b[^{]*\\{\\n(.*?)\\n\\}`, 's').exec(source) ?? []
  const keys = body!.matchAll(/(?:^ {2}\/\*\*((?:(?!\*\/).)*)\*\/\n)?^ {2}readonly (\w+)\??: (?!never)/gms)
  return [...keys].map(([, comment = '', name]) => `${name}: ${/@default (.*?)\s*$/m.exec(comment)?.[1] ?? ''}`)
}

async function readPage() {
  const [, ...parts] = (await read('docs/options.md')).split(/^## /m)
  return new Map(
    parts.map((part) => {
      const rows = part.matchAll(/^\| `(\w+)` \| (.*?) ?\| \[.*?\]\(([\w./-]+)[^)]*\) \| `(\S+)` \|$/gm)
      const options = [...rows].map(([, name, fallback, page, file]) => ({ name: name!, fallback: fallback!, page: page!, file: file! }))
      return [part.split('\n')[0]!, options] as const
    }),
  )
}
