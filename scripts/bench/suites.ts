// How long the quickstart's suite takes from nothing to its first test, and its end: by plain commands, and by this package without templates,
// when it makes one, as a fork, and as a fork that was started while another suite ran. One after the other in each round, which begins with
// another one each time: what follows the removal of a whole cluster is slower (on ext4 without a journal by up to 6 s, for which new files
// take no inode that was freed a minute ago).
// Usage: sh scripts/setup node scripts/bench/suites.ts [rounds] [--json]
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'

import { listTemplates, removeTemplate } from '../../src/cluster/template/template.ts'
import { connectDocker } from '../../src/docker/docker.ts'
import { readSettings } from '../../src/engine/settings.ts'
import { runCommand } from '../../src/support/run-command.ts'
import { formatTable } from '../../src/support/table.ts'
import { median } from './median.ts'
import { prepareQuickstart, quickstart } from './quickstart.ts'

const rounds = Number(process.argv.slice(2).find((each) => /^\d+$/.test(each)) ?? 5)
const root = join(import.meta.dirname, '../..')
const docker = await connectDocker()
const settings = readSettings(process.env)
const signal = AbortSignal.timeout(60 * 60_000)
const folder = await mkdtemp(join(tmpdir(), 'suites-bench-'))
const { images, manifests } = await prepareQuickstart(docker, settings, signal)
const objects = join(folder, 'objects.json')
await writeFile(objects, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests.map(({ object }) => object) }))

/** What people write by hand: the node's own kubectl, ctr and psql, so that nothing has to be installed. */
const script = `set -e
cluster=bench-$$
node=k3d-$cluster-server-0
${settings.k3d} cluster create $cluster ${settings.nodeImage ? `--image ${settings.nodeImage}` : ''} --no-lb --kubeconfig-update-default=false \\
  --k3s-arg '--disable=traefik@server:*' --k3s-arg '--disable=metrics-server@server:*' ${docker.cgroupVersion === 1 ? "--k3s-arg '--kubelet-arg=fail-cgroupv1=false@server:*'" : ''}
docker save ${images.map(({ reference }) => reference).join(' ')} | docker exec -i $node ctr -n k8s.io images import -
kubectl="docker exec -i $node kubectl"
$kubectl apply -f - < ${objects}
$kubectl rollout status statefulset/postgres --timeout 120s
until $kubectl exec postgres-0 -- sh -c 'psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -h 127.0.0.1 -c "select 1"'; do sleep 0.2; done
$kubectl exec -i postgres-0 -- sh -c 'psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB"' < ${join(quickstart, 'seed/shop.sql')}
for name in orders inventory redis; do $kubectl rollout status deployment/$name --timeout 120s; done
echo "ready $(date +%s%3N)"
${settings.k3d} cluster delete $cluster
`

interface Sample {
  /** Milliseconds until the first test could begin, and of the teardown. */
  readonly ready: number
  readonly teardown: number
}

async function byHand(): Promise<Sample> {
  const started = Date.now()
  const output = await runCommand('sh', ['-c', script], { signal })
  const ready = Number(/ready (\d+)/.exec(output)![1])
  return { ready: ready - started, teardown: Date.now() - ready }
}

async function byPackage(templates: 'true' | 'false', before: readonly string[] = []): Promise<Sample> {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const args = [vitest, 'run', '--root', folder, ...before, join(quickstart, 'orders.test.ts')]
  await runCommand(process.execPath, args, { signal, env: { VITEST_KUBERNETES_TEMPLATES: templates } })
  const { suites } = JSON.parse(await readFile(join(folder, '.vitest/kubernetes/timings.json'), 'utf8')) as Timings
  const { total, tests = 0, teardown = 0 } = suites.find(({ name }) => name === 'orders')!.milliseconds
  return { ready: total - tests - teardown, teardown }
}

/** Its tests take as long as it takes to fork the other one. */
const before = join(folder, 'before.test.ts')
await writeFile(
  before,
  `import { describe } from 'vitest-kubernetes'
describe.withCluster('before', {}, (test) => test('goes on', () => new Promise((resolve) => setTimeout(resolve, 30_000))))`,
)
await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
await writeFile(
  join(folder, 'vitest.config.ts'),
  `import { BaseSequencer } from 'vitest/node'
import { kubernetes } from '${root}/src/plugin/plugin.ts'

class InOrder extends BaseSequencer {
  sort(files) {
    return files.toSorted((a, b) => Number(b.moduleId === '${before}') - Number(a.moduleId === '${before}'))
  }
}
export default {
  plugins: [kubernetes()],
  resolve: { alias: [{ find: /^vitest-kubernetes$/, replacement: '${root}/src/index.ts' }] },
  server: { fs: { strict: false } },
  test: { include: ['${before}', '${join(quickstart, 'orders.test.ts')}'], testTimeout: 60_000, maxWorkers: 1, sequence: { sequencer: InOrder } },
}`,
)

interface Timings {
  readonly suites: readonly {
    readonly name: string
    readonly milliseconds: { readonly total: number; readonly tests?: number; readonly teardown?: number }
  }[]
}

const removeTemplates = async () => {
  for (const template of await listTemplates(docker))
    if (['orders', 'before'].includes(template.name)) await removeTemplate(docker, template)
}

/** Those of a group rest on each other. */
const groups: readonly Readonly<Record<string, () => Promise<Sample>>>[] = [
  { 'k3d, ctr, kubectl and psql in a shell script': byHand },
  { 'without templates': () => byPackage('false') },
  {
    'first run with templates': async () => {
      await removeTemplates()
      return byPackage('true')
    },
    fork: () => byPackage('true'),
    'a fork that sleeps': () => byPackage('true', [before]),
  },
]

const samples = new Map(groups.flatMap((group) => Object.keys(group)).map((name) => [name, [] as Sample[]]))
const loads: number[] = []
try {
  for (let round = 0; round < rounds; round++) {
    loads.push(loadavg()[0]!)
    const inTurn = groups.map((_, index) => groups[(index + round) % groups.length]!)
    for (const [name, method] of inTurn.flatMap((group) => Object.entries(group))) {
      samples.get(name)!.push(await method())
      console.error(`round ${round + 1}: ${name}: ${JSON.stringify(samples.get(name)!.at(-1))}`)
    }
  }
} finally {
  await removeTemplates()
  await rm(folder, { recursive: true, force: true })
}

const [base] = [...samples.values()].map((each) => median(each.map(({ ready, teardown }) => ready + teardown)))
const results = [...samples].map(([name, each]) => {
  const [ready, teardown] = [median(each.map((one) => one.ready)), median(each.map((one) => one.teardown))]
  return { name, ready, teardown, share: (ready + teardown) / base! }
})
if (process.argv.includes('--json'))
  console.log(JSON.stringify({ rounds, loads, processors: docker.processors, results, samples: [...samples] }, null, 2))
else {
  const seconds = (milliseconds: number) => (milliseconds / 1000).toFixed(1)
  const rows = results.map(({ name, ready, teardown, share }) => [name, seconds(ready), seconds(teardown), share.toFixed(2)])
  console.log(formatTable(['', 'until the first test, s', 'teardown, s', 'of the script'], rows, [1, 2, 3]))
  console.log(
    `\nMedians of ${rounds}, ${docker.processors} processors, load at the start of each round: ${loads.map((each) => each.toFixed(1)).join(', ')}`,
  )
}
process.exit()
