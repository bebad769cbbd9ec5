import { readFile } from 'node:fs/promises'

import { expect } from 'vitest'

import type { TestCluster } from '../../client/test-cluster.ts'
import { createKubeClient } from '../../kube/client.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { KubeList } from '../../kube/types.ts'
import { describe } from '../../suite/describe.ts'
import { echoApp, shellPod } from '../../testing/echo-app.ts'
import { describeCluster } from './diagnose.ts'

const password = 'correct-horse-battery'
const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'login' }, stringData: { PASSWORD: password } }

/** Crashes once, and says the password before. */
const crashedOnce = shellPod('crashed-once', '', {
  restartPolicy: 'Always',
  volumes: [{ name: 'state', emptyDir: {} }],
  containers: [
    {
      name: 'app',
      image: 'busybox:1.37',
      command: [
        'sh',
        '-c',
        '[ -e /state/again ] && { echo second try; exec sleep 1000; }; touch /state/again; echo "login with $PASSWORD"; exit 3',
      ],
      envFrom: [{ secretRef: { name: 'login' } }],
      volumeMounts: [{ name: 'state', mountPath: '/state' }],
    },
  ],
})
const failedInit = shellPod('failed-init', 'exec sleep 1000', {
  restartPolicy: 'Never',
  initContainers: [
    { name: 'migrate', image: 'busybox:1.37', command: ['sh', '-c', `echo no table; echo ${password} > /dev/termination-log; exit 4`] },
  ],
})

const kubeOf = async (cluster: TestCluster) => createKubeClient(await readFile(cluster.kubeconfigPath, 'utf8'))

describe.withCluster('diagnosis', { manifests: [secret, ...echoApp('web')] }, (test) => {
  test('says what changed last, what ended how, which image runs and what was logged before a restart, without the password', async ({
    cluster,
  }) => {
    const kube = await kubeOf(cluster)
    await cluster.apply(crashedOnce).catch(() => 'a crash may be seen before its end')
    await cluster.apply(echoApp('web', { text: 'another' }))
    const failure = await cluster.apply(failedInit).then(
      () => '',
      (error: unknown) => String(error),
    )
    const report = await describeCluster(kube)

    expect(report).toMatch(/^Pods:$/m)
    expect(report).toMatch(
      /^ {2}default\/crashed-once {2}1\/1 ready {2}Running {2}1 restart\n {4}app {2}\S+ {2}sha256:\w{12} {2}ended with exit code 3 \(Error\)$/m,
    )
    expect(report).toMatch(/^ {2}default\/failed-init {2}0\/1 ready {2}\S+\n {4}migrate {2}\S+ {2}sha256:\w{12}$/m)
    expect(report).toContain('Log of default/crashed-once, container "app" before its restart:\n  login with [redacted]\n')
    expect(report).toContain('Log of default/crashed-once, container "app":\n  second try')
    expect(report).toContain('Log of default/failed-init, container "migrate":\n  no table')
    expect(report).toMatch(/^ {2}[\d:]{8} {2}deployment\/web {2}changed by vitest-kubernetes$/m)
    expect(report).toMatch(/^ {2}[\d:]{8} {2}pod\/failed-init {2}container "migrate" ended with exit code 4 \(Error\)$/m)
    expect(report).toMatch(/^ {2}[\d:]{8} {2}pod\/failed-init {2}(?:Scheduled|Pulled|Created|Started): /m)
    const times = /What changed last:\n((?: {2}[\d:]{8} .*\n)+)/.exec(report)![1]!.match(/[\d:]{8}(?= )/g)!
    expect(times).toEqual(times.toSorted())
    // The node's own start says nothing about a failure.
    expect(report).not.toContain('Starting kubelet')
    expect(report).not.toContain(password)
    expect(failure).toContain('failed-init')
    expect(failure).not.toContain(password)
  })

  test('names a node in trouble', async ({ cluster }) => {
    const kube = await kubeOf(cluster)
    expect(await describeCluster(kube)).not.toMatch(/^Nodes:/m)
    const { items } = await kube.request<KubeList<KubeObject>>('GET', '/api/v1/nodes')
    const path = `/api/v1/nodes/${items[0]!.metadata.name}`
    await kube.request('PATCH', path, { contentType: 'application/merge-patch+json', body: { spec: { unschedulable: true } } })
    // kubelet takes it back when it looks next.
    const condition = { type: 'DiskPressure', status: 'True', reason: 'KubeletHasDiskPressure', message: 'kubelet has disk pressure' }
    await kube.request('PATCH', `${path}/status`, {
      contentType: 'application/strategic-merge-patch+json',
      body: { status: { conditions: [condition] } },
    })
    const report = await describeCluster(kube)
    expect(report).toMatch(
      /^Nodes:\n {2}\S+ {2}DiskPressure is True, KubeletHasDiskPressure: kubelet has disk pressure\n {2}\S+ {2}takes no new pods \(cordoned\)$/m,
    )
  })

  test('says that it cannot say anything when the API server does not answer', async () => {
    const kube = createKubeClient(
      'apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{ name: a, cluster: { server: "https://127.0.0.1:9" } }]\ncontexts: [{ name: a, context: { cluster: a, user: a } }]\nusers: [{ name: a, user: {} }]\n',
    )
    expect(await describeCluster(kube)).toMatch(
      /^The cluster cannot be described: The API server at https:\/\/127\.0\.0\.1:9 did not answer/,
    )
  })
})
