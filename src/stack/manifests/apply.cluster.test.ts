import { expect } from 'vitest'

import { describe } from '../../suite/describe.ts'
import { echoApp, shellPod } from '../../testing/echo-app.ts'
import { kubectl, kubeOf } from '../../testing/nodes.ts'

const app = (image: string, extra: object = {}, spec: object = {}) => ({
  restartPolicy: 'Always',
  containers: [{ name: 'app', image, ...extra }],
  ...spec,
})

/** A pod with a variable from a key of a ConfigMap. */
const readsKey = (configMapKeyRef: { readonly name: string; readonly key: string }) =>
  app('busybox:1.37', { command: ['sleep', '60'], env: [{ name: 'X', valueFrom: { configMapKeyRef } }] })

const deployment = (name: string, template: object) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: { selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: template } },
})

// Each test waits most of its time, for objects of its own.
describe.concurrent.withCluster('apply and wait', { images: ['busybox:1.37'], agents: 1 }, (test) => {
  test('a file in any order: a custom resource before its definition, objects before their Namespace, Lists, a bare Pod', async ({
    cluster,
  }) => {
    await cluster.apply('../../../fixtures/manifests/any-order.yaml')
    expect((await cluster.exec('pod/in-default', ['cat', '/proc/1/comm'])).stdout).toBe('sleep\n')
    expect((await cluster.exec('pod/in-later', ['sh', '-c', 'echo $ANSWER'], { namespace: 'later' })).stdout).toBe('no\n')
  })

  test('reaches a Service by its name, from both nodes', async ({ cluster, request }) => {
    await cluster.apply(echoApp('hello', { text: 'hello from the pod', replicas: 2 }))
    await request('hello').get('/').expect(200, 'hello from the pod')
    expect(cluster.url('hello')).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    await cluster.apply(
      shellPod('client', 'for i in 1 2 3; do echo | nc hello.default.svc.cluster.local 80 || exit 1; done', {
        nodeName: `k3d-${cluster.name}-agent-0`,
      }),
    )
  })

  test('a ReplicationController is ready when its pods are, with the image that the suite brings, and is known by name', async ({
    cluster,
  }) => {
    const { metadata, spec } = shellPod('old', 'exec sleep 1000', { restartPolicy: 'Always' })
    const controller = { apiVersion: 'v1', kind: 'ReplicationController', metadata, spec: { template: { metadata, spec } } }
    await cluster.apply([controller])
    const kube = await kubeOf(cluster)
    const path = '/api/v1/namespaces/default/replicationcontrollers/old'
    expect(await kube.request('GET', path)).toMatchObject({ status: { readyReplicas: 1 } })
    expect(await cluster.exec('rc/old', ['echo', 'here'])).toMatchObject({ stdout: 'here\n' })
  })

  test('a Job that ends is ready, and so is a Pod that has run to completion', async ({ cluster }) => {
    const job = {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'once' },
      spec: {
        backoffLimit: 0,
        template: { spec: { restartPolicy: 'Never', containers: [{ name: 'app', image: 'busybox:1.37', command: ['echo', 'done'] }] } },
      },
    }
    await cluster.apply([job, shellPod('quick', 'exit 0')])
    expect(await cluster.logs('job/once')).toBe('done\n')
  })

  test('a volume is provisioned, and its content outlives the pod', async ({ cluster, expect }) => {
    await cluster.apply('../../../fixtures/manifests/volume.yaml')
    await cluster.exec('statefulset/keeper', ['sh', '-c', 'echo kept > /data/file'])
    await cluster.exec('statefulset/keeper', ['kill', '1'], { reject: false })
    await expect
      .poll(async () => (await cluster.exec('statefulset/keeper', ['cat', '/data/file'], { reject: false })).stdout, { timeout: 30_000 })
      .toBe('kept\n')
  })

  test('a webhook configuration behind its own workload refuses none of its pods', async ({ cluster }) => {
    await cluster.apply('../../../fixtures/manifests/webhook-last.yaml')
    expect(await cluster.get('deployment/gate', { namespace: 'gate' })).toMatchObject({ status: { readyReplicas: 2 } })
  })

  test('a variable that stands twice has the later value, also after a change; imagePullPolicy "Always" does not ask a registry', async ({
    cluster,
  }) => {
    const twice = (value: string) => {
      const env = [
        { name: 'MODE', value: 'base' },
        { name: 'MODE', value },
      ]
      return deployment(
        'twice',
        app('busybox:1.37', { env, command: ['sleep', '1000'], imagePullPolicy: 'Always' }, { terminationGracePeriodSeconds: 0 }),
      )
    }
    for (const value of ['override', 'changed']) {
      await cluster.apply(twice(value))
      expect((await cluster.exec('deployment/twice', ['sh', '-c', 'echo $MODE'])).stdout).toBe(`${value}\n`)
    }
  })

  const failures: [string, object[], string, RegExp][] = [
    [
      'an image that no registry gives',
      [deployment('no-image', app('localhost:1/nowhere:1'))],
      'ERR_WORKLOAD_FAILED',
      /deployment\/no-image: pod "no-image-.*": image "localhost:1\/nowhere:1" cannot be pulled: .*\n.*Pods:/s,
    ],
    [
      'a crash, with its last log lines',
      [deployment('crash', app('busybox:1.37', { command: ['sh', '-c', 'echo the reason; exit 3'] }))],
      'ERR_WORKLOAD_FAILED',
      /deployment\/crash: pod "crash-.*", container "app" ended with exit code 3, restarted \d times?\.\nLast lines of container "app":\n {2}the reason/,
    ],
    [
      'a Job that fails',
      [
        {
          apiVersion: 'batch/v1',
          kind: 'Job',
          metadata: { name: 'fails' },
          spec: {
            backoffLimit: 0,
            template: {
              spec: {
                restartPolicy: 'Never',
                containers: [{ name: 'app', image: 'busybox:1.37', command: ['sh', '-c', 'echo why; exit 4'] }],
              },
            },
          },
        },
      ],
      'ERR_WORKLOAD_FAILED',
      /job\/fails: the Job failed: Job has reached the specified backoff limit.*default\/fails-\S+ .*\(exit code 4\).*why/s,
    ],
    [
      'a bare Pod that fails',
      [shellPod('pod-fails', 'echo because; exit 5')],
      'ERR_WORKLOAD_FAILED',
      /pod\/pod-fails: container "app" ended with exit code 5\.\nLast lines of container "app":\n {2}because/,
    ],
    [
      'a pod that fits on no node',
      [deployment('huge', app('busybox:1.37', { resources: { requests: { memory: '900Gi' } } }))],
      'ERR_WORKLOAD_FAILED',
      /deployment\/huge: pod "huge-.*" cannot be scheduled: .*Insufficient memory/,
    ],
    [
      'a volume that nothing provisions',
      [
        {
          apiVersion: 'v1',
          kind: 'PersistentVolumeClaim',
          metadata: { name: 'never' },
          spec: { storageClassName: 'missing', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } },
        },
        deployment('unbound', app('busybox:1.37', {}, { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'never' } }] })),
      ],
      'ERR_WORKLOAD_FAILED',
      /deployment\/unbound: pod "unbound-.*": PersistentVolumeClaim "never" asks for StorageClass "missing", which is not there; the cluster has "local-path"/,
    ],
    [
      'a variable from a ConfigMap that is not there',
      [deployment('no-config', readsKey({ name: 'absent', key: 'x' }))],
      'ERR_WORKLOAD_FAILED',
      /deployment\/no-config: pod "no-config-.*", container "app": configmap "absent" not found/,
    ],
    [
      'a key that a ConfigMap does not have',
      [
        { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'has-a' }, data: { a: '1' } },
        deployment('no-env-key', readsKey({ name: 'has-a', key: 'b' })),
      ],
      'ERR_WORKLOAD_FAILED',
      /deployment\/no-env-key: pod "no-env-key-.*", container "app": couldn't find key b in ConfigMap default\/has-a/,
    ],
    [
      'a volume of a key that a ConfigMap does not have',
      [
        { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'has-c' }, data: { c: '1' } },
        deployment(
          'no-file-key',
          app(
            'busybox:1.37',
            { command: ['sleep', '60'], volumeMounts: [{ name: 'cfg', mountPath: '/cfg' }] },
            { volumes: [{ name: 'cfg', configMap: { name: 'has-c', items: [{ key: 'd', path: 'd' }] } }] },
          ),
        ),
      ],
      'ERR_WORKLOAD_FAILED',
      /deployment\/no-file-key: pod "no-file-key-.*": MountVolume.*configmap references non-existent config key: d/,
    ],
    [
      'a volume from a Secret that is not there',
      [
        deployment(
          'no-secret',
          app(
            'busybox:1.37',
            { command: ['sleep', '60'], volumeMounts: [{ name: 's', mountPath: '/s' }] },
            { volumes: [{ name: 's', secret: { secretName: 'absent' } }] },
          ),
        ),
      ],
      'ERR_WORKLOAD_FAILED',
      /deployment\/no-secret: pod "no-secret-.*": MountVolume.*secret "absent" not found/,
    ],
    [
      'a Service whose selector fits no pod',
      [
        ...echoApp('typo').slice(0, 1),
        { apiVersion: 'v1', kind: 'Service', metadata: { name: 'typo' }, spec: { selector: { app: 'tpyo' }, ports: [{ port: 80 }] } },
      ],
      'ERR_SERVICE_NO_ENDPOINTS',
      /service\/typo: has no endpoints: no pod has the labels app=tpyo\..*Hint: Pods in namespace "default" have .*app=typo/s,
    ],
    [
      'a Service whose targetPort no pod has',
      [
        ...echoApp('port').slice(0, 1),
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name: 'port' },
          spec: { selector: { app: 'port' }, ports: [{ port: 80, targetPort: 'htpp' }] },
        },
      ],
      'ERR_SERVICE_NO_ENDPOINTS',
      /service\/port: has no endpoints: its targetPort "htpp" is not a port of its pods.*Hint: They have "http"\./s,
    ],
    [
      'a field that the server does not know',
      [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' }, dta: {} }],
      'ERR_MANIFEST_REJECTED',
      /Manifest object 1 of "manifests": ConfigMap "x" was refused by the API server: .*dta.*field not declared in schema/,
    ],
    [
      'a value that the server refuses',
      [deployment('Bad_Name', app('busybox:1.37'))],
      'ERR_MANIFEST_REJECTED',
      /Deployment "Bad_Name" was refused by the API server: .*Invalid value: "Bad_Name"/,
    ],
    [
      'a kind that the cluster does not know',
      [{ apiVersion: 'example.com/v1', kind: 'Gadget', metadata: { name: 'x' } }],
      'ERR_MANIFEST_REJECTED',
      /Gadget "x" has a kind that the cluster does not know: example\.com\/v1 Gadget/,
    ],
    [
      'an apiVersion that was removed',
      [{ apiVersion: 'policy/v1beta1', kind: 'PodDisruptionBudget', metadata: { name: 'x' } }],
      'ERR_MANIFEST_REJECTED',
      /PodDisruptionBudget "x" has a kind that the cluster does not know: policy\/v1beta1 .*\nHint: The cluster has PodDisruptionBudget in "policy\/v1"\./,
    ],
    [
      'an apiVersion of another group',
      [{ apiVersion: 'extensions/v1beta1', kind: 'Ingress', metadata: { name: 'x' } }],
      'ERR_MANIFEST_REJECTED',
      /Hint: The cluster has Ingress in "networking\.k8s\.io\/v1"\./,
    ],
    [
      'an object that stands twice with different content',
      [
        { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'twice' }, data: { a: '1' } },
        { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'twice' }, data: { a: '2' } },
      ],
      'ERR_MANIFEST_INVALID',
      /ConfigMap "twice" stands twice with different content: in object 1 of "manifests" and in object 2 of "manifests"\./,
    ],
    [
      'an image name with a placeholder',
      [deployment('placeholder', app('registry.example.com/app:${TAG}'))],
      'ERR_MANIFEST_INVALID',
      /container "app" of deployment\/placeholder has the image "registry\.example\.com\/app:\$\{TAG\}": "\$\{TAG\}" is a placeholder/,
    ],
    [
      'a Namespace that is not there',
      [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', namespace: 'absent' } }],
      'ERR_MANIFEST_REJECTED',
      /namespaces "absent" not found\nHint: Add the Namespace "absent" to "manifests"\./,
    ],
    [
      'a bare Pod in a Namespace that is not there',
      [{ ...shellPod('x', 'exit 0'), metadata: { name: 'x', namespace: 'absent' } }],
      'ERR_MANIFEST_REJECTED',
      /Pod "x" was refused by the API server: .*namespaces? "absent" not found\nHint: Add the Namespace "absent" to "manifests"\./,
    ],
  ]
  test.for(failures)('fails at once for %s', { timeout: 60_000 }, async ([, objects, code, message], { cluster }) => {
    const started = performance.now()
    const error = await cluster.apply(objects as never, { timeout: 50_000 }).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
    expect(performance.now() - started).toBeLessThan(45_000)
  })

  test('says after a time-out what is missing', async ({ cluster }) => {
    const never = shellPod('never-ready', 'echo still waiting; sleep 1000', {
      containers: [
        {
          name: 'app',
          image: 'busybox:1.37',
          command: ['sh', '-c', 'echo still waiting; sleep 1000'],
          readinessProbe: { exec: { command: ['false'] } },
        },
      ],
    })
    await expect(cluster.apply(never, { timeout: 8000 })).rejects.toMatchObject({
      code: 'ERR_WORKLOAD_NOT_READY',
      message: expect.stringMatching(
        /Not ready after \d\.\d s:\n {2}pod\/never-ready: not ready, pod "never-ready": running and not ready: Readiness probe failed:.*\n.*still waiting/s,
      ),
    })
    // Else the tests beside it wait for what it may do once it is ready.
    await kubectl(cluster, 'delete pod never-ready --grace-period=1')
  })

  test('a manifest path that does not exist changes nothing', async ({ cluster }) => {
    await expect(cluster.apply('./absent.yaml')).rejects.toMatchObject({ code: 'ERR_MANIFEST_NOT_FOUND' })
  })
})
