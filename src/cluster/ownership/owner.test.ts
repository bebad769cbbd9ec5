import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'

import { expect, onTestFinished, test } from 'vitest'

import { createOwner, isOwnerDead, ownerLabel, startTime } from './owner.ts'

test('this process lives, and so does whatever cannot be judged', () => {
  const label = createOwner().labels[ownerLabel]!
  expect(isOwnerDead(label)).toBe(false)
  expect(isOwnerDead(label.replace(hostname(), 'another-host'))).toBe(false)
  expect(isOwnerDead('')).toBe(false)
  expect(isOwnerDead('nonsense')).toBe(false)
})

test('a process is dead after a reboot, when it has ended, and when another one has its number', () => {
  const [host, boot, namespace, pid, started] = createOwner().labels[ownerLabel]!.split('/')
  expect(isOwnerDead([host, 'another-boot', namespace, pid, started].join('/'))).toBe(true)
  expect(isOwnerDead([host, boot, namespace, 4_194_305, started].join('/'))).toBe(true)
  expect(isOwnerDead([host, boot, namespace, pid, Number(started) - 1].join('/'))).toBe(process.platform === 'linux')
  // The same number in another container says nothing.
  expect(isOwnerDead([host, boot, '1', 4_194_305, started].join('/'))).toBe(process.platform !== 'linux')
})

test.runIf(process.platform === 'linux')('a process that has ended is dead although its parent has not asked about it', async () => {
  // "exec" puts a program that never waits in the place of the shell whose child ends after a line of input.
  const shell = spawn('sh', ['-c', 'exec 3<&0; sh -c "read line" <&3 & echo $!; exec sleep 60'], { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void shell.kill('SIGKILL'))
  const [line] = (await once(shell.stdout.setEncoding('utf8'), 'data')) as [string]
  const pid = Number(line)
  const [host, boot, namespace] = createOwner().labels[ownerLabel]!.split('/')
  const label = [host, boot, namespace, pid, startTime(pid)].join('/')
  expect(isOwnerDead(label)).toBe(false)
  // Before that the shell may ask about its child.
  await expect.poll(() => readFileSync(`/proc/${shell.pid}/cmdline`, 'utf8')).toMatch(/^sleep/)
  shell.stdin.write('\n')
  await expect.poll(() => isOwnerDead(label), { timeout: 10_000 }).toBe(true)
  expect(() => process.kill(pid, 0)).not.toThrow()
})
