// 200 suites in one run, 190 of them in shared clusters: what the main process of vitest takes, and what is left.
// sh scripts/setup node scripts/bench/many-suites.ts [suites]
import { readFile, readdir } from 'node:fs/promises'

import { findTraces, runVitest } from '../../src/testing/run-vitest.ts'
import { createTempProject } from '../../src/testing/temp-project.ts'

const count = Number(process.argv[2] ?? 200)
const perFile = 20

const suite = (index: number) => `
describe.withCluster('suite ${index}', { ${index % perFile === 0 ? '' : `cluster: 'shared', `}manifests: map }, (test) => {
  test('runs', async ({ cluster }) => {
    expect(cluster.name).toMatch(/^vk-/)
    console.log('suite ${index} done')
  })
})`
const head = `import { describe, expect } from 'vitest-kubernetes'
const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { answer: '42' } }
`
const indexes = Array.from({ length: count }, (_, index) => index)
const files = Object.groupBy(indexes, (index) => `file-${String(Math.floor(index / perFile)).padStart(2, '0')}.test.ts`)

await using project = await createTempProject(
  Object.fromEntries(Object.entries(files).map(([file, own = []]) => [file, head + own.map(suite).join('')])),
  { plugin: { maxClusters: 2 }, test: { maxWorkers: 2, testTimeout: 60_000 } },
)

const run = runVitest('', { folder: project.folder })
const samples: { done: number; megabytes: number; files: number }[] = []
const timer = setInterval(() => void sample(), 1_000)
const { exitCode, output } = await run.ended
clearInterval(timer)

const atQuarters = [1, 2, 3, 4].map((quarter) => samples.findLast(({ done }) => done <= (quarter * count) / 4))
console.log(`exit code ${exitCode}, ${/Tests .*/.exec(output)?.[0]}, ${/Duration .*/.exec(output)?.[0]}`)
console.log(
  `main process: ${atQuarters.map((each) => `${each?.megabytes} MB resident, ${each?.files} open files after ${each?.done} suites`).join('; ')}`,
)
console.log(
  `clusters: ${new Set(output.match(/vk-[0-9a-f]{6}-[a-z0-9-]+/g)).size}, warnings: ${output.match(/\w+Warning/g)?.length ?? 0}, left: ${JSON.stringify(await findTraces(output))}`,
)

async function sample(): Promise<void> {
  const status = await readFile(`/proc/${run.child.pid}/status`, 'utf8').catch(() => '')
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(status)?.[1]
  const files = (await readdir(`/proc/${run.child.pid}/fd`).catch(() => [])).length
  if (kilobytes)
    samples.push({ files, done: run.output().match(/^suite \d+ done$/gm)?.length ?? 0, megabytes: Math.round(Number(kilobytes) / 1024) })
}
