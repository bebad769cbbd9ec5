import { expect, test } from 'vitest'

import { checkSuiteBridges, describeBridged } from './bridge-option.ts'

test('names the local image as manifests may', () => {
  const server = () => {}
  const bridge = {
    'deployment/a': { build: './services/orders' },
    'deployment/b': { build: '.', standIn: false },
    'deployment/c': { image: 'registry.example.com/shop/inventory:1.2', containerName: 'app' },
    'deployment/d': { server, namespace: 'other' },
  }
  expect(describeBridged({ bridge }, '/tests/checkout').map(({ workload, image }) => [workload, image])).toEqual([
    ['deployment/a', 'orders'],
    ['deployment/b', 'checkout'],
    ['deployment/c', 'registry.example.com/shop/inventory'],
    ['deployment/d', undefined],
  ])
  expect(describeBridged({ bridge }, '/work')[1]).toMatchObject({ standIn: false })
  expect(describeBridged({ bridge }, '/work')[3]).toMatchObject({ namespace: 'other' })
})

test('says which option cannot be meant', () => {
  expect(() => checkSuiteBridges({ bridge: { 'deployment/a': { build: '.', standIn: 'yes' as never } } })).toThrow(
    'Expected option `bridge["deployment/a"].standIn` to be a boolean, got "yes" (string).',
  )
  expect(() => checkSuiteBridges({ bridge: { 'deployment/a': { server: () => {}, ports: { http: 80 } } as never } })).toThrow(
    'Option `ports` means nothing for the bridge of "deployment/a".',
  )
})
