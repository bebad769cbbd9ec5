import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'

import { expect, test } from 'vitest'

import type { KubeObject } from '../kube/object.ts'
import { planPorts, portChoice, refuseBusyPorts } from './fixed-ports.ts'

const service = (name: string, ports: readonly object[], namespace?: string) =>
  ({ apiVersion: 'v1', kind: 'Service', metadata: { name, ...(namespace && { namespace }) }, spec: { ports } }) as unknown as KubeObject
const objects = [
  service('gateway', [
    { name: 'http', port: 80 },
    { name: 'metrics', port: 9090 },
    { name: 'dns', port: 53, protocol: 'UDP' },
  ]),
  service('db', [{ port: 5432 }]),
  service('db', [{ port: 5433 }], 'other'),
  service('twins', [
    { name: 'a', port: 1 },
    { name: 'b', port: 2 },
  ]),
]
const plan = (ports: Readonly<Record<string, number>>) => planPorts(ports, objects, 'default')

test('finds the port of a Service by its name, its number, or as the only one', () => {
  expect(plan({ gateway: 4000, 'gateway:metrics': 4001, 'db:5432': 4002, 'db.other': 4003 })).toEqual([
    { namespace: 'default', service: 'gateway', port: 80, hostPort: 4000 },
    { namespace: 'default', service: 'gateway', port: 9090, hostPort: 4001 },
    { namespace: 'default', service: 'db', port: 5432, hostPort: 4002 },
    { namespace: 'other', service: 'db', port: 5433, hostPort: 4003 },
  ])
  expect(planPorts(undefined, objects, 'default')).toEqual([])
  const choose = portChoice(plan({ gateway: 4000 }))
  expect(choose({ namespace: 'default', service: 'gateway', port: 80 })).toBe(4000)
  expect(choose({ namespace: 'default', service: 'gateway', port: 9090 })).toBeUndefined()
})

test('refuses what the stack does not have, with what it has', () => {
  expect(() => plan({ gatway: 1 })).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Option \`ports\` names "gatway", but the stack has no Service "gatway" in namespace "default".
    Hint: It has "gateway", "db", "db.other" and "twins".]
  `)
  expect(() => plan({ 'gateway:53': 1 })).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Option \`ports\` names "gateway:53", but Service "gateway" has no TCP port 53.
    Hint: Name one: "gateway:http", "gateway:metrics".]
  `)
  expect(() => plan({ twins: 1 })).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Option \`ports\` names "twins", but Service "twins" has 2 TCP ports.
    Hint: Name one: "twins:a", "twins:b".]
  `)
  expect(() => plan({ '': 1 })).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Option \`ports\` names "", but the stack has no Service "" in namespace "default".
    Hint: It has "gateway", "db", "db.other" and "twins".]
  `)
  expect(() => plan({ gateway: 1, db: 1 })).toThrowErrorMatchingInlineSnapshot(
    `[ClusterTestError: Option \`ports\` gives port 1 of this machine twice.]`,
  )
})

test('refuses a port that somebody listens on', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await expect(refuseBusyPorts(plan({ gateway: port }))).rejects.toMatchObject({ code: 'ERR_PORT_IN_USE' })
  server.close()
  await once(server, 'close')
  await refuseBusyPorts(plan({ gateway: port }))
})
