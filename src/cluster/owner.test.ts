import { hostname } from 'node:os'

import { expect, test } from 'vitest'

import { createOwner, isOwnerDead, ownerLabel } from './owner.ts'

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
