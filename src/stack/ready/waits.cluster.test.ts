import { setTimeout as sleep } from 'node:timers/promises'

import { expect } from 'vitest'

import { removeObjects } from '../../engine/remove-objects.ts'
import { describe } from '../../suite/describe.ts'
import { shellPod } from '../../testing/echo-app.ts'
import { kubeOf } from '../../testing/nodes.ts'
import { describeReadiness } from './explain-failure.ts'
import type { Readiness } from './verdict.ts'
import { waitForReady } from './wait.ts'

const fixture = (name: string) => `../../../fixtures/cases/${name}.yaml`

// Each test waits most of its time, in a namespace of its own.
describe.concurrent.withCluster('what ends a wait', { images: ['busybox:1.37', 'node:24'], timeout: 240_000 }, (test) => {
  const succeed: readonly (readonly [what: string, file: string])[] = [
    ['a Job that is gone when its neighbour is ready', 'job-ttl'],
    ['a Secret that a Job makes after eight seconds', 'secret-made-later'],
    ['a headless Service without ports', 'headless-without-ports'],
    ['a custom resource whose kind an operator defines when it is ready', 'kind-made-later'],
  ]
  test.for(succeed)('waits for %s', async ([, file], { cluster }) => {
    await cluster.apply(fixture(file), { timeout: 120_000 })
  })

  test('finds what has run for a while ready at once, without a probe too', async ({ cluster }) => {
    const pod = shellPod('old', 'sleep 1000000')
    await cluster.apply(pod)
    await sleep(2_000)
    const pending: string[] = []
    const onChange = (all: readonly Readiness[]) => void pending.push(...all.map(describeReadiness))
    const object = { ...pod, metadata: { ...pod.metadata, namespace: cluster.namespace } }
    await waitForReady(await kubeOf(cluster), [object], { signal: AbortSignal.timeout(20_000), onChange })
    expect(pending).toEqual([])
  })

  const fail: readonly (readonly [what: string, file: string, seconds: number, message: RegExp])[] = [
    [
      'pods that a StatefulSet is refused',
      'refused-account',
      60,
      /statefulset\/app in namespace "refused-account": its pods are refused: [cC]reate Pod app-0 in StatefulSet app failed error: .*serviceaccount "app-runner" not found/,
    ],
    [
      'a volume that cannot be mounted',
      'socket',
      60,
      /deployment\/app in namespace "socket": pod "app-.*": .*hostPath type check failed: \/var\/run\/docker\.sock is not a socket file/,
    ],
    [
      'a StorageClass that is not there',
      'storage-class',
      60,
      /deployment\/app in .*: PersistentVolumeClaim "files" asks for StorageClass "managed-premium", which is not there; the cluster has "local-path"/,
    ],
    [
      'a StorageClass that is not there, of a claim template',
      'storage-class-of-statefulset',
      60,
      /statefulset\/db in .*: PersistentVolumeClaim "data-db-0" asks for StorageClass "gp3", which is not there; the cluster has "local-path"/,
    ],
    ['a paused Deployment', 'paused', 60, /deployment\/app in namespace "paused": 0 of 1 pods ready: it is paused/],
    [
      'a postStart hook that fails',
      'post-start',
      100,
      /deployment\/app in .*container "app" .*, restarted \d times?: PostStartHook failed/,
    ],
    [
      'a Job that fails again and again',
      'job-retries',
      200,
      /job\/migrate in .*: pod "migrate-\w+", container "main" ended with exit code 4, 4 times in a row \(backoffLimit is 6\)\.\n.*schema is locked/s,
    ],
    [
      'several absent images',
      'absent-images',
      60,
      /^(?=.*\n {2}"registry\.example\.com\/shop\/one:1" of deployment\/one)(?=.*\n {2}"quay\.io\/nobody\/two:2" of deployment\/two)(?=.*\n {2}"three" of deployment\/three)3 images cannot be pulled:\n/s,
    ],
  ]
  test.for(fail)('fails for %s', async ([, file, seconds, message], { cluster }) => {
    const started = performance.now()
    const error = await cluster.apply(fixture(file), { timeout: 220_000 }).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).toMatchObject({ code: 'ERR_WORKLOAD_FAILED', message: expect.stringMatching(message) })
    expect(performance.now() - started).toBeLessThan(seconds * 1000)
  })

  test('says what to do about a Job that cannot be changed', async ({ cluster }) => {
    await cluster.apply(fixture('job-before'))
    const refusal = await cluster.apply(fixture('job-after')).then(() => 'taken', String)
    expect(refusal).toMatch(/Job "migrate" was refused by the API server: .*spec\.template: Invalid value: [^\n]{0,60}: field is immutable/)
    expect(refusal).toMatch(/\nHint: A Job cannot be changed .* kubectl delete job\/migrate\.$/)
  })

  test('the removal of a Namespace names what a finalizer in it holds, and whose it was', async ({ cluster }) => {
    const held = { name: 'settings', namespace: 'held', finalizers: ['example.com/hold'] }
    await cluster.apply([
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'held' } },
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: held },
    ])
    const namespace = { apiVersion: 'v1', kind: 'Namespace', name: 'held', namespace: undefined }
    const removal = removeObjects(await kubeOf(cluster), [namespace], { suite: 'orders', signal: AbortSignal.timeout(20_000) })
    await expect(removal).rejects.toMatchObject({
      code: 'ERR_CLUSTER_LEFTOVERS',
      message: expect.stringMatching(
        /^Namespace "held" of suite "orders" was deleted and has not gone after [\d.]+ s: ConfigMap "settings" has the finalizer "example\.com\/hold", which nobody serves\.\nHint: /,
      ),
    })
  })

  test('says after a time-out what a probe has said', async ({ cluster }) => {
    await expect(cluster.apply(fixture('probe-404'), { timeout: 20_000 })).rejects.toMatchObject({
      code: 'ERR_WORKLOAD_NOT_READY',
      message: expect.stringMatching(/deployment\/app in .*: Readiness probe failed: HTTP probe failed with statuscode: 404/),
    })
  })
})
