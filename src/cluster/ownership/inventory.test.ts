import { hostname } from 'node:os'

import { expect, test } from 'vitest'

import { formatInventory } from '../../cli/format-inventory.ts'
import { describeServices, servicesLabel } from '../network/published-services.ts'
import { takeInventory } from './inventory.ts'
import { clusterLabel, createOwner, expiresLabel, ownerLabel, runLabel, suiteLabel } from './owner.ts'

const owner = createOwner().labels[ownerLabel]!
const deadOwner = owner.replace(/\/[^/]*$/, '/0')
const created = Date.parse('2030-01-01T12:00:00Z')
const now = created + 180_000
const label = (run: string, by: string, cluster: string, more: Readonly<Record<string, string>> = {}) => ({
  [runLabel]: run,
  [ownerLabel]: by,
  [clusterLabel]: cluster,
  ...more,
})
const container = (
  name: string,
  Labels: Record<string, string>,
  State = 'running',
  Ports: { IP: string; PrivatePort: number; PublicPort: number; Type: string }[] = [],
) => ({
  Names: [`/${name}`],
  Labels,
  State,
  Created: created / 1000,
  Ports,
})

const runs = takeInventory({
  containers: [
    container(
      'vk-a-shop-gateway',
      label('aaa', owner, 'vk-a-shop', {
        [servicesLabel]: describeServices([
          { namespace: 'default', service: 'orders', portName: '', port: 80 },
          { namespace: 'shop', service: 'db', portName: 'postgres', port: 5432 },
        ]),
      }),
      'running',
      [
        { IP: '127.0.0.1', PrivatePort: 20_001, PublicPort: 40_002, Type: 'tcp' },
        { IP: '127.0.0.1', PrivatePort: 20_000, PublicPort: 40_001, Type: 'tcp' },
      ],
    ),
    container('k3d-vk-a-shop-agent-0', label('aaa', owner, 'vk-a-shop', { 'k3d.role': 'agent' }), 'exited'),
    container('k3d-vk-a-shop-server-0', label('aaa', owner, 'vk-a-shop', { 'k3d.role': 'server' }), 'running', [
      { IP: '127.0.0.1', PrivatePort: 6443, PublicPort: 36_445, Type: 'tcp' },
    ]),
  ],
  networks: [
    { Name: 'vk-a-shop', Labels: label('aaa', owner, 'vk-a-shop', { [suiteLabel]: 'shop, all of it' }), Created: '2030-01-01T12:00:01Z' },
    {
      Name: 'vk-d-old',
      Labels: label('ddd', deadOwner, 'vk-d-old', { [expiresLabel]: String(Date.parse('2030-01-01T13:00:00Z')) }),
      Created: '2030-01-01T11:00:00Z',
    },
  ],
  volumes: [
    { Name: 'k3d-vk-a-shop-images', Labels: { 'k3d.cluster': 'vk-a-shop' } },
    { Name: 'k3d-of-somebody-else', Labels: { 'k3d.cluster': 'theirs' } },
    { Name: 'loose', Labels: { [runLabel]: 'ddd', [ownerLabel]: deadOwner } },
  ],
  processes: [{ pid: 7, run: 'eee', owner: deadOwner, command: 'node server.js' }],
})

test('sorts what Docker has into runs and clusters, and takes nothing of others', () => {
  expect(runs).toMatchObject([
    {
      run: 'aaa',
      owner: { host: hostname(), pid: process.pid, state: 'alive' },
      clusters: [
        {
          name: 'vk-a-shop',
          suite: 'shop, all of it',
          keptUntil: undefined,
          created: '2030-01-01T12:00:00.000Z',
          containers: [{ role: 'server', ports: ['127.0.0.1:36445->6443/tcp'] }, { role: 'agent', state: 'exited' }, { role: 'other' }],
          services: [
            { name: 'orders', port: 80, address: 'http://127.0.0.1:40001' },
            { name: 'db.shop', port: 5432, address: '127.0.0.1:40002' },
          ],
          networks: ['vk-a-shop'],
          volumes: ['k3d-vk-a-shop-images'],
        },
      ],
      others: [],
    },
    { run: 'ddd', owner: { state: 'dead' }, clusters: [{ name: 'vk-d-old', keptUntil: '2030-01-01T13:00:00.000Z' }], others: ['loose'] },
    { run: 'eee', owner: { state: 'dead' }, clusters: [], others: ['process 7 (node server.js)'] },
  ])
  expect(JSON.stringify(runs)).not.toContain('somebody-else')
})

test('a label that is none of ours breaks no list', () => {
  for (const text of ['nonsense', '{"a":1}', 'null', '[null]', '[{"service":7}]']) {
    const labels = label('aaa', owner, 'vk-a-shop', { [servicesLabel]: text })
    const ports = [{ IP: '127.0.0.1', PrivatePort: 20_000, PublicPort: 40_001, Type: 'tcp' }]
    const [run] = takeInventory({ containers: [container('x', labels, 'running', ports)], networks: [], volumes: [], processes: [] })
    expect(run!.clusters[0]!.services, text).toEqual([])
  }
})

test('prints it as a table', () => {
  const memory = new Map([
    ['k3d-vk-a-shop-server-0', 480e6],
    ['vk-a-shop-gateway', 2e6],
  ])
  const table = formatInventory(runs, memory, now).replaceAll(String(process.pid), 'PID')
  expect(table.replaceAll(/ {2,}/g, ' | ')).toMatchInlineSnapshot(`
    "run | owner | cluster | suite | nodes | others | age | memory | API | kept until
    aaa | pid PID, alive | vk-a-shop | shop, all of it | 1 running, 1 exited | 1 running | 3 min | 482 MB | 127.0.0.1:36445
    ddd | kept | vk-d-old | 63 min | 2030-01-01T13:00:00.000Z
    ddd | pid PID, dead | loose
    eee | pid PID, dead | process 7 (node server.js)

    The next run removes what dead runs left behind. To do it now: npx vitest-kubernetes prune"
  `)
  const kept = runs.filter(({ run }) => run === 'ddd').map((run) => ({ ...run, others: [] }))
  expect(formatInventory(kept, memory, now)).not.toContain('prune')
  expect(formatInventory([], new Map())).toBe('There are no clusters.')
})
