import { expect, test } from 'vitest'

import type { EndpointSlice, Service } from '../../kube/types.ts'
import { targetsOf } from './service-targets.ts'

const service = (name: string, spec: NonNullable<Service['spec']>): Service => ({ metadata: { name, namespace: 'shop' }, spec })

function slice(of: string, addresses: readonly string[], port?: EndpointSlice['ports'], ready = true): EndpointSlice {
  return {
    metadata: { namespace: 'shop', labels: { 'kubernetes.io/service-name': of } },
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready } })),
    ...(port && { ports: port }),
  }
}

test('a Service leads to its own address, over IPv4 where it has that', () => {
  const ports = [
    { name: 'http', port: 80 },
    { name: 'dns', port: 53, protocol: 'UDP' },
  ]
  expect(targetsOf([service('api', { clusterIP: 'fd00::1', clusterIPs: ['fd00::1', '10.43.0.9'], ports })], [])).toEqual([
    { namespace: 'shop', service: 'api', portName: 'http', port: 80, isIPv6: false, lead: { address: '10.43.0.9', port: 80 } },
  ])
  expect(targetsOf([service('six', { clusterIP: 'fd00::2', ports: [{ port: 80 }] })], [])).toMatchObject([
    { isIPv6: true, lead: { address: 'fd00::2', port: 80 } },
  ])
  expect(targetsOf([service('elsewhere', { type: 'ExternalName', externalName: 'example.com', ports: [{ port: 80 }] })], [])).toEqual([])
})

test('a headless Service leads to a ready pod, and is known while it has none', () => {
  const headless = service('db', { clusterIP: 'None', ipFamilies: ['IPv4'], ports: [{ name: 'sql', port: 5432 }] })
  const found = (slices: readonly EndpointSlice[]) => targetsOf([headless], slices).map(({ lead }) => lead)
  expect(found([])).toEqual([undefined])
  expect(found([slice('db', ['10.42.0.7'], [{ name: 'sql', port: 5433 }], false)])).toEqual([undefined])
  expect(found([slice('other', ['10.42.0.8'], [{ name: 'sql', port: 5433 }])])).toEqual([undefined])
  expect(found([slice('db', ['fd00::7', '10.42.0.9'], [{ name: 'sql', port: 5433 }])])).toEqual([{ address: '10.42.0.9', port: 5433 }])
})
