import { expect, test } from 'vitest'

import type { Manifest } from '../manifests/manifests.ts'
import { addMounts, checkMounts, nodeVolumes, planMounts } from './mounts.ts'

const folder = new URL('../../', import.meta.url).pathname
const manifest = (kind: string, name: string, spec: object): Manifest => ({
  origin: '"x.yaml"',
  object: { apiVersion: 'apps/v1', kind, metadata: { name }, spec: { template: { spec } } },
})
const orders = manifest('Deployment', 'orders', {
  containers: [{ name: 'app', volumeMounts: [{ name: 'own', mountPath: '/own' }] }, { name: 'sidecar' }],
  volumes: [{ name: 'own', emptyDir: {} }],
})

test('adds a volume of the node to the containers of the workload', async () => {
  const mounts = await planMounts(
    { 'deploy/orders': { './stack': '/app/src', './kube': { path: '/lib', container: 'app', readOnly: true } } },
    folder,
  )
  const other = manifest('StatefulSet', 'orders', { containers: [{ name: 'app' }] })
  const [changed, same] = addMounts([orders, other], mounts)
  const [stack, kube] = mounts.map(({ nodePath }) => `host-${nodePath.replace('/vitest-kubernetes/', '')}`)
  expect(changed!.object['spec']).toEqual({
    template: {
      spec: {
        containers: [
          {
            name: 'app',
            volumeMounts: [
              { name: 'own', mountPath: '/own' },
              { name: stack, mountPath: '/app/src' },
              { name: kube, mountPath: '/lib', readOnly: true },
            ],
          },
          { name: 'sidecar', volumeMounts: [{ name: stack, mountPath: '/app/src' }] },
        ],
        volumes: [
          { name: 'own', emptyDir: {} },
          { name: stack, hostPath: { path: mounts[0]!.nodePath, type: 'Directory' } },
          { name: kube, hostPath: { path: mounts[1]!.nodePath, type: 'Directory' } },
        ],
      },
    },
  })
  expect(same).toBe(other)
  expect(nodeVolumes([...mounts, ...mounts])).toEqual(mounts.map(({ source, nodePath }) => `${source}:${nodePath}`))
})

test('refuses folders, workloads and containers that are not there', async () => {
  await expect(planMounts({ 'deploy/orders': { './absent': '/app' } }, folder)).rejects.toThrow(
    /absent", which is to be mounted into deploy\/orders, does not exist or is not a folder\.\nHint: Paths in "mount"/,
  )
  const check = async (workload: string, container?: string) =>
    checkMounts(await planMounts({ [workload]: { './stack': { path: '/app', container } } }, folder), [orders])
  await expect(check('deploy/order')).rejects.toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Option \`mount["deploy/order"]\` names a workload that is not in the manifests.
    Hint: They have "deployment/orders".]
  `)
  await expect(check('deploy/orders', 'ap')).rejects.toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Workload "deploy/orders" has no container "ap" to mount into.
    Hint: It has "app" and "sidecar".]
  `)
  await expect(check('deploy/orders', 'app')).resolves.toBeUndefined()
})
