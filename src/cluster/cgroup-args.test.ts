import { expect, test } from 'vitest'

import { cgroupArgs } from './cgroup-args.ts'

const argsFor = (image: string, version: 1 | 2 = 1, agents = 0, k3sArgs: readonly string[] = []) =>
  cgroupArgs(version, { image, agents, k3sArgs })
const nothing = { args: [], note: undefined }

test('lets a kubelet start on cgroup v1 that would refuse to, and says so', () => {
  expect(argsFor('rancher/k3s:v1.35.0-k3s1')).toEqual({
    args: ['--kubelet-arg=fail-cgroupv1=false@server:*'],
    note: 'this host uses cgroup v1, which kubelet 1.35 refuses: starting it with fail-cgroupv1=false',
  })
  expect(argsFor('rancher/k3s:v1.36.3-k3s1', 1, 2).args).toEqual([
    '--kubelet-arg=fail-cgroupv1=false@server:*',
    '--kubelet-arg=fail-cgroupv1=false@agent:*',
  ])
})

test('tells nothing to who needs it not, does not know it, or has it said', () => {
  expect(argsFor('rancher/k3s:v1.36.3-k3s1', 2)).toEqual(nothing)
  expect(argsFor('rancher/k3s:latest', 2)).toEqual(nothing)
  expect(argsFor('rancher/k3s:v1.30.1-k3s1')).toEqual(nothing)
  expect(argsFor('rancher/k3s:v1.36.3-k3s1', 1, 0, ['--kubelet-arg=fail-cgroupv1=true@server:*'])).toEqual(nothing)
})

test.for([
  'foo-1.2.3/k3s:v1.36.1',
  'registry.example.com:5000/k3s:v1.36.1-k3s1',
  'mirror/k3s:ours-v1.36.1',
  'rancher/k3s:v1.36.3-k3s1@sha256:0123',
])('reads the version of %s from its tag', (image) => expect(argsFor(image).note).toContain('kubelet 1.36 '))

test('reads none from a folder', () => {
  expect(argsFor('foo-1.36.3/k3s:v1.30.1')).toEqual(nothing)
})

test.for(['rancher/k3s:latest', 'rancher/k3s', 'foo-1.36.1/k3s', 'registry.example.com:5000/k3s', 'rancher/k3s@sha256:0123456789abcdef'])(
  'leaves it to people where the image is %s',
  (image) => {
    expect(argsFor(image)).toEqual({
      args: [],
      note: `this host uses cgroup v1, and the version of node image "${image}" is unknown: Kubernetes 1.35 or later needs k3sArgs: ["--kubelet-arg=fail-cgroupv1=false@server:*"]`,
    })
  },
)
