import { expect, test } from 'vitest'

import { clusterRanges } from './cluster-ranges.ts'

test("knows k3s' defaults and leaves its arguments alone", () => {
  expect(clusterRanges(['--disable=traefik'], 'ipv4')).toEqual({
    pods: ['10.42.0.0/16'],
    services: ['10.43.0.0/16'],
    family: 'ipv4',
    k3sArgs: ['--disable=traefik'],
  })
})

test('reads ranges in every form that k3d takes', () => {
  const { pods, services } = clusterRanges(['--cluster-cidr=172.16.0.0/12@server:0', '--service-cidr', '10.96.0.0/12'], 'ipv4')
  expect({ pods, services }).toEqual({ pods: ['172.16.0.0/12'], services: ['10.96.0.0/12'] })
})

test('a dual-stack cluster gets ranges of both families, and those that the user has chosen', () => {
  expect(clusterRanges([], 'dual').k3sArgs).toEqual([
    '--cluster-cidr=10.42.0.0/16,fd76:6b38:7300:4200::/56',
    '--service-cidr=10.43.0.0/16,fd76:6b38:7300:4300::/112',
    '--flannel-ipv6-masq',
  ])
  expect(clusterRanges(['--cluster-cidr=10.50.0.0/16,fd50::/56', '--flannel-ipv6-masq=false'], 'dual')).toMatchObject({
    pods: ['10.50.0.0/16', 'fd50::/56'],
    k3sArgs: [
      '--cluster-cidr=10.50.0.0/16,fd50::/56',
      '--flannel-ipv6-masq=false',
      '--service-cidr=10.43.0.0/16,fd76:6b38:7300:4300::/112',
    ],
  })
})

test('refuses ranges that do not fit', () => {
  expect(() => clusterRanges(['--cluster-cidr=fd50::/56'], 'dual')).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: k3s' argument "--cluster-cidr=fd50::/56" asks for an IPv6-only cluster, which is not supported: nodes have IPv4 too.
    Hint: Set ipFamily: 'dual', and ipFamilies: ['IPv6'] for Services that are to have only IPv6.]
  `)
  expect(() => clusterRanges(['--service-cidr=10.43.0.0/16,fd50::/112'], 'ipv4')).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: k3s' argument "--service-cidr=10.43.0.0/16,fd50::/112" asks for IPv6, but the suite's nodes have no IPv6 addresses.
    Hint: Set ipFamily: 'dual'.]
  `)
  expect(() => clusterRanges(['--cluster-cidr=10.50.0.0/16'], 'dual')).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: k3s' argument "--cluster-cidr=10.50.0.0/16" does not fit ipFamily: 'dual', which takes one IPv4 range and one IPv6 range, in this order.
    Hint: Omit it, or write --cluster-cidr=10.42.0.0/16,fd76:6b38:7300:4200::/56.]
  `)
  expect(() => clusterRanges(['--cluster-cidr=10.50/16'], 'ipv4')).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: k3s' argument "--cluster-cidr=10.50/16" names "10.50/16", which is not an address range.
    Hint: Write it like --cluster-cidr=10.42.0.0/16.]
  `)
})
