import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { createOwner, folderPrefix, ownerLabel, startTime } from './owner.ts'
import { endDeadProcesses, findDeadProcesses, ownerEnv } from './processes.ts'

/** A shell and what it has started in a session of its own, for a run that is dead or not, with or without its folder. */
async function startOf({ isDead, hasFolder }: { isDead: boolean; hasFolder: boolean }) {
  const { run, labels } = createOwner()
  const owner = { run, labels: { [ownerLabel]: isDead ? labels[ownerLabel]!.replace(/\/[^/]*$/, '/0') : labels[ownerLabel]! } }
  const folder = hasFolder ? await mkdtemp(join(tmpdir(), folderPrefix(run))) : undefined
  const child = spawn('sh', ['-c', 'setsid sleep 60 & sleep 60'], { env: { ...process.env, ...ownerEnv(owner) } })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    if (folder) await rm(folder, { recursive: true })
  })
  return { run, pid: child.pid! }
}

test.runIf(process.platform === 'linux')('ends what a dead run has started, and nothing of one that lives or has cleaned up', async () => {
  const [dead, alive, cleaned] = await Promise.all([
    startOf({ isDead: true, hasFolder: true }),
    startOf({ isDead: false, hasFolder: true }),
    startOf({ isDead: true, hasFolder: false }),
  ])
  const found = async () => (await findDeadProcesses()).filter(({ run }) => [dead.run, alive.run, cleaned.run].includes(run))
  await expect
    .poll(async () => (await found()).map(({ run, command }) => ({ run, command })))
    .toEqual(
      expect.arrayContaining([
        { run: dead.run, command: 'sh -c setsid sleep 60 & sleep 60' },
        { run: dead.run, command: 'sleep 60' },
        { run: dead.run, command: 'sleep 60' },
      ]),
    )
  expect((await found()).map(({ run }) => run)).toEqual([dead.run, dead.run, dead.run])
  await endDeadProcesses(dead.run)
  expect(await found()).toEqual([])
  expect(startTime(dead.pid)).toBeUndefined()
  expect(startTime(alive.pid)).toBeDefined()
  expect(startTime(cleaned.pid)).toBeDefined()
})
