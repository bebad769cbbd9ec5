import { expect, test } from 'vitest'

import { leftoversOf } from './leftovers.ts'
import { clusterLabel, createOwner, expiresLabel, ownerLabel, runLabel } from './owner.ts'

const now = Date.parse('2030-01-01T12:00:00Z')
const alive = createOwner().labels[ownerLabel]!
const dead = alive.replace(/\/[^/]*$/, '/0')

const labels = (run: string, owner: string, more: Readonly<Record<string, string>> = {}) => ({
  [runLabel]: run,
  [ownerLabel]: owner,
  ...more,
})

test('finds what dead runs left, by run, and nothing of who lives or is elsewhere', () => {
  const objects = [
    labels('a', dead, { [clusterLabel]: 'one' }),
    labels('a', dead, { [clusterLabel]: 'two' }),
    labels('a', dead, { [clusterLabel]: 'one' }),
    labels('b', alive, { [clusterLabel]: 'three' }),
    labels('c', dead.replace(/^[^/]*/, 'another-host'), { [clusterLabel]: 'four' }),
    labels('d', dead),
  ]
  expect(leftoversOf(objects, 'spare', now)).toEqual([
    { run: 'a', clusters: ['one', 'two'] },
    { run: 'd', clusters: [] },
  ])
})

test('spares what is kept until its time is over, and a time that cannot be read keeps nothing', () => {
  const keptUntil = (run: string, time: string) => [labels(run, dead, { [expiresLabel]: time }), labels(run, dead)]
  const objects = [...keptUntil('kept', '2030-01-01T12:30:00Z'), ...keptUntil('over', '2030-01-01T11:30:00Z'), ...keptUntil('odd', 'soon')]
  expect(leftoversOf(objects, 'spare', now).map(({ run }) => run)).toEqual(['over', 'odd'])
  expect(leftoversOf(objects, 'include', now).map(({ run }) => run)).toEqual(['kept', 'over', 'odd'])
})
