import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

import { expect, test } from 'vitest'

import { trackGroup } from './process-group.ts'

/** Starts a shell, and resolves when it has printed the number of the process that it starts itself. */
async function start(script: string) {
  const child = spawn('sh', ['-c', script], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const events: string[] = []
  const track = (event: string, pid: number) => void events.push(`${event} ${pid === -child.pid! ? 'group' : pid}`)
  const group = trackGroup({ pid: child.pid!, ended, track, patience: 500 })
  const [text] = (await once(child.stdout, 'data')) as [Buffer]
  return { child, ended, events, group, grandchild: Number(text) }
}

const isRunning = async (pid: number) => {
  return /^State:\s+[^ZX\s]/m.test(await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''))
}

test('ends what a process has started, also when the process itself ends first', async () => {
  const { events, group, grandchild } = await start('(exec sleep 100 >/dev/null) & echo $!; wait')
  expect(await isRunning(grandchild)).toBe(true)
  await group[Symbol.asyncDispose]()
  expect(await isRunning(grandchild)).toBe(false)
  expect(events).toEqual(['started group', 'ended group'])
})

test('a process that has ended by itself is still tracked as long as what it has started goes on', async () => {
  const { ended, events, group, grandchild } = await start('(exec sleep 100 >/dev/null) & echo $!')
  await ended
  await sleep(50)
  expect(events).toEqual(['started group'])
  await group[Symbol.asyncDispose]()
  expect(await isRunning(grandchild)).toBe(false)
  expect(events).toEqual(['started group', 'ended group'])
})

test('a process that has ended with all that it has started is not tracked any longer', async () => {
  const { ended, events, group } = await start('echo $$')
  await ended
  await expect.poll(() => events).toEqual(['started group', 'ended group'])
  await group[Symbol.asyncDispose]()
  expect(events).toHaveLength(2)
})

test('what takes no notice of SIGTERM is killed', async () => {
  const { group, grandchild } = await start("(trap '' TERM; sh -c 'echo $PPID'; exec sleep 100 >/dev/null) & wait")
  const started = performance.now()
  await group[Symbol.asyncDispose]()
  expect(performance.now() - started).toBeGreaterThanOrEqual(490)
  await expect.poll(() => isRunning(grandchild)).toBe(false)
})
