import { expect, test } from 'vitest'

import { ownNames, podNames } from './pod-names.ts'

const pod = { namespace: 'shop', dns: '10.43.0.10', podName: 'web-6f7-abc' }
const spec = { containers: [] }
const inPod = 'search shop.svc.cluster.local svc.cluster.local cluster.local corp.example\nnameserver 10.43.0.10\noptions ndots:5\n'

test('without anything of its own a pod has its name and the cluster’s DNS', () => {
  expect(podNames({ ...pod, spec })).toEqual({
    hostname: 'web-6f7-abc',
    domainname: undefined,
    extraHosts: [],
    resolvConf: 'search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.43.0.10\noptions ndots:5\n',
  })
  expect(podNames({ ...pod, spec, resolvConf: inPod }).resolvConf).toBe(inPod)
  expect(podNames({ namespace: 'shop', dns: '10.43.0.10' }).hostname).toBeUndefined()
})

test('dnsConfig adds to it, whether a pod runs that has it already or not', () => {
  const dnsConfig = {
    nameservers: ['10.43.0.10', '9.9.9.9'],
    searches: ['corp.example'],
    options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }],
  }
  const expected = `search shop.svc.cluster.local svc.cluster.local cluster.local corp.example\nnameserver 10.43.0.10\nnameserver 9.9.9.9\noptions ndots:2 edns0\n`
  const { resolvConf } = podNames({ ...pod, spec: { ...spec, dnsConfig } })
  expect(resolvConf).toBe(expected)
  expect(podNames({ ...pod, spec: { ...spec, dnsConfig }, resolvConf }).resolvConf).toBe(expected)
})

test('with dnsPolicy None there is what dnsConfig has, and with Default whom the nodes ask', () => {
  const dnsConfig = { nameservers: ['1.2.3.4'] }
  expect(podNames({ ...pod, spec: { ...spec, dnsPolicy: 'None', dnsConfig } }).resolvConf).toBe('nameserver 1.2.3.4\n')
  const resolvConf = 'search corp.example\nnameserver 172.18.0.1\nnameserver 1.2.3.4\n'
  expect(podNames({ ...pod, spec: { ...spec, dnsPolicy: 'Default', dnsConfig }, resolvConf }).resolvConf).toBe(
    'search corp.example\nnameserver 127.0.0.11\nnameserver 1.2.3.4\n',
  )
})

test('hostname, subdomain and hostAliases are those of the pod', () => {
  const named = { ...spec, hostname: 'web', subdomain: 'front', hostAliases: [{ ip: '10.1.2.3', hostnames: ['legacy', 'legacy.corp'] }] }
  expect(podNames({ ...pod, spec: named })).toMatchObject({
    hostname: 'web',
    domainname: 'front.shop.svc.cluster.local',
    extraHosts: ['legacy:10.1.2.3', 'legacy.corp:10.1.2.3'],
  })
  expect(podNames({ ...pod, spec: { ...named, setHostnameAsFQDN: true } })).toMatchObject({
    hostname: 'web.front.shop.svc.cluster.local',
    domainname: undefined,
  })
  expect(podNames({ ...pod, spec, podName: `${'a'.repeat(62)}-b` }).hostname).toBe('a'.repeat(62))
})

test('what a workload has of its own is named, and what a StatefulSet gives to each pod is not', () => {
  expect(ownNames({ ...spec, dnsPolicy: 'Default', hostname: 'web', subdomain: 'front', setHostnameAsFQDN: true })).toEqual([
    'dnsPolicy: Default',
    'hostname',
    'subdomain',
    'setHostnameAsFQDN',
  ])
  expect(ownNames({ ...spec, hostAliases: [{ ip: '1.1.1.1' }], dnsConfig: {} })).toEqual(['hostAliases', 'dnsConfig'])
  expect(ownNames({ ...spec, dnsPolicy: 'ClusterFirst', hostname: 'db-0', subdomain: 'db' }, 'db-0')).toEqual([])
})
