// How long the shop takes on a developer's machine: `up` from nothing and from its template, until its gateway answers a query; `reset`, after
// an order; the first page of `dev`. One after the other in each round.
// Usage: sh scripts/setup node scripts/bench/shop.ts [rounds]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { findFreePort } from '../../src/cluster/network/free-port.ts'
import { connectDocker } from '../../src/docker/docker.ts'
import { formatTable } from '../../src/support/table.ts'
import { run } from '../kit/run.ts'
import { median } from './median.ts'

const rounds = Number(process.argv[2] ?? 5)
const root = join(import.meta.dirname, '../..')
const cwd = join(root, 'examples/shop')
const program = join(root, 'src/cli/main.ts')
const env = { VITEST_KUBERNETES_TEMPLATES: 'true' }
const cli = (...args: readonly string[]) => run(process.execPath, [program, ...args], { cwd, env })

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

async function query(text: string): Promise<unknown> {
  const body = JSON.stringify({ query: text })
  const response = await fetch('http://127.0.0.1:4000/graphql', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  const { data, errors } = (await response.json()) as { data?: unknown; errors?: unknown }
  if (errors) throw new Error(JSON.stringify(errors))
  return data
}

const up = () =>
  timed(async () => {
    await cli('up', 'shop')
    await query('{ products(name: "Reykjav") { name } }')
  })

async function firstPage(): Promise<number> {
  const port = await findFreePort()
  const args = [
    program,
    'dev',
    'shop',
    '--bridge',
    `deployment/web=${port}`,
    '--',
    'npx',
    'vite',
    'web',
    '--port',
    String(port),
    '--strictPort',
  ]
  let child: ReturnType<typeof spawn> | undefined
  try {
    return await timed(async () => {
      child = spawn(process.execPath, args, { cwd, env: { ...process.env, ...env }, stdio: 'ignore' })
      for (;;) {
        const page = await fetch(`http://localhost:${port}/`).catch(() => undefined)
        if (page?.ok) return
        if (child.exitCode !== null) throw new Error(`"dev" has ended with exit code ${child.exitCode}.`)
        await sleep(20)
      }
    })
  } finally {
    child?.kill('SIGINT')
    if (child?.exitCode === null) await once(child, 'exit')
  }
}

const samples: Record<string, number[]> = {}
const loads: number[] = []
try {
  await cli('templates', 'shop', '--remove').catch(() => undefined)
  for (let round = 0; round < rounds; round++) {
    loads.push(loadavg()[0]!)
    const note = (name: string, value: number) => {
      ;(samples[name] ??= []).push(value)
      console.error(`round ${round + 1}: ${name}: ${(value / 1000).toFixed(1)} s`)
    }
    note('`up shop` from nothing, makes the template', await up())
    await cli('down', 'shop')
    note('`up shop` from its template, until the gateway answers', await up())
    note('`reset`', await timed(() => cli('reset')))
    note("`dev`'s first page", await firstPage())
    await cli('down', 'shop')
    await cli('templates', 'shop', '--remove')
  }
} finally {
  await cli('down', 'shop').catch(() => undefined)
  await cli('templates', 'shop', '--remove').catch(() => undefined)
}

console.log(
  formatTable(
    ['', 's'],
    Object.entries(samples).map(([name, values]) => [name, (median(values) / 1000).toFixed(1)]),
    [1],
  ),
)
const { processors } = await connectDocker()
console.log(
  `\nMedians of ${rounds}, ${processors} processors, load at the start of each round: ${loads.map((each) => each.toFixed(1)).join(', ')}`,
)
process.exit()
