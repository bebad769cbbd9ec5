import { expect, test } from 'vitest'

import { choosePorts, listPorts } from './ports.ts'

const app = {
  name: 'app',
  ports: [
    { name: 'http', containerPort: 3000 },
    { name: 'dns', containerPort: 53, protocol: 'UDP' },
  ],
}
const sidecar = { name: 'sidecar', ports: [{ containerPort: 9090 }] }
const service = (...ports: object[]) => ({ spec: { ports } }) as never

test('lists what the container declares and what Services send to it, but not the ports of its neighbours', () => {
  const services = [
    service({ name: 'web', port: 80, targetPort: 'http' }, { name: 'metrics', port: 9090 }),
    service({ name: 'admin', port: 81, targetPort: 8081 }, { port: 53, targetPort: 53, protocol: 'UDP' }),
  ]
  expect(listPorts(app, [app, sidecar], services)).toEqual([
    { name: 'http', port: 3000, protocol: 'tcp' },
    { name: 'dns', port: 53, protocol: 'udp' },
    { name: 'admin', port: 8081, protocol: 'tcp' },
  ])
})

const known = listPorts(app, [app], [])

test('bridges all ports to the same numbers unless some are named', () => {
  expect(choosePorts(known, undefined, 'deployment/x').map(({ port, local }) => [port, local])).toEqual([
    [3000, 3000],
    [53, 53],
  ])
  expect(choosePorts(known, { http: 8080 }, 'deployment/x')).toEqual([{ name: 'http', port: 3000, protocol: 'tcp', local: 8080 }])
  expect(choosePorts(known, { 3000: 8080 }, 'deployment/x')).toEqual([{ name: 'http', port: 3000, protocol: 'tcp', local: 8080 }])
  expect(choosePorts(known, { '9229/tcp': 9229 }, 'deployment/x')).toEqual([{ name: '', port: 9229, protocol: 'tcp', local: 9229 }])
  const both = [{ name: 'dns', port: 53, protocol: 'udp' } as const, { name: 'dns-tcp', port: 53, protocol: 'tcp' } as const]
  expect(choosePorts(both, { 53: 1, '53/udp': 2 }, 'deployment/x').map(({ protocol, local }) => [protocol, local])).toEqual([
    ['tcp', 1],
    ['udp', 2],
  ])
  expect(choosePorts([], { 8080: 3000 }, 'deployment/x')).toEqual([{ name: '', port: 8080, protocol: 'tcp', local: 3000 }])
})

test('says which ports there are', () => {
  expect(() => choosePorts(known, { grpc: 1 }, 'deployment/x')).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: The container of "deployment/x" has no port "grpc".
    Hint: It has "http (3000)" and "dns (53)". For a port that nothing declares, add the protocol: "9229/tcp".]
  `)
  expect(() => choosePorts(known, { 3001: 1 }, 'deployment/x')).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: The container of "deployment/x" has no port "3001".
    Hint: It has "http (3000)" and "dns (53)". For a port that nothing declares, add the protocol: "3001/tcp".]
  `)
  expect(() => choosePorts(known, {}, 'deployment/x')).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Option \`ports\` of the bridge for "deployment/x" is empty.
    Hint: The container has "http (3000)" and "dns (53)"; omit \`ports\` to bridge all of them.]
  `)
  expect(() => choosePorts([], undefined, 'deployment/x')).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: The ports of "deployment/x" are unknown: its container declares none, and no Service selects it.
    Hint: Set them: ports: { 8080: 3000 } sends port 8080 of the pods to port 3000 of your code.]
  `)
})
