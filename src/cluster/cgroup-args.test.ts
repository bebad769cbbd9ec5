import { expect, test } from 'vitest'

import { cgroupArgs } from './cgroup-args.ts'

const argsFor = (image: string, version: 1 | 2 = 1, agents = 0, k3sArgs: readonly string[] = []) =>
  cgroupArgs(version, { image, agents, k3sArgs })

test('lets a kubelet start on cgroup v1 that would refuse to', () => {
  expect(argsFor('rancher/k3s:v1.35.0-k3s1')).toEqual(['--kubelet-arg=fail-cgroupv1=false@server:*'])
  expect(argsFor('rancher/k3s:v1.36.3-k3s1', 1, 2)).toEqual([
    '--kubelet-arg=fail-cgroupv1=false@server:*',
    '--kubelet-arg=fail-cgroupv1=false@agent:*',
  ])
})

test('tells nothing to who needs it not, does not know it, or has it said', () => {
  expect(argsFor('rancher/k3s:v1.36.3-k3s1', 2)).toEqual([])
  expect(argsFor('rancher/k3s:v1.30.1-k3s1')).toEqual([])
  expect(argsFor('registry.example.com:5000/k3s')).toEqual([])
  expect(argsFor('rancher/k3s:v1.36.3-k3s1', 1, 0, ['--kubelet-arg=fail-cgroupv1=true@server:*'])).toEqual([])
})
