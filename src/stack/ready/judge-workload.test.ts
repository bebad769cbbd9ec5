import { expect, test } from 'vitest'

import type { KubeObject } from '../../kube/object.ts'
import type { KubeEvent, PersistentVolumeClaim, Pod } from '../../kube/types.ts'
import { crashed, deployment, judge, metadata, noFacts, pod, ready, running } from '../../testing/cluster-states.ts'

const rolling = { replicas: 1, updatedReplicas: 1 }
const warning = (name: string, reason: string, message: string): KubeEvent => ({
  metadata: {},
  type: 'Warning',
  involvedObject: { kind: 'Pod', name, namespace: 'default', fieldPath: 'spec.containers{app}' },
  reason,
  message,
})

test('a Job fails at its fourth failure in a row, with the exit code, by new pods or in the same one', () => {
  const job = (spec: object = {}): KubeObject => ({ apiVersion: 'batch/v1', kind: 'Job', metadata: metadata('job'), spec, status: {} })
  const failed = (second: number, exitCode = 4) =>
    pod(
      `job-${second}`,
      { state: { terminated: { exitCode, finishedAt: `2026-01-01T00:00:0${second}Z` } } },
      { owner: 'job', phase: exitCode === 0 ? 'Succeeded' : 'Failed' },
    )
  expect(
    judge(
      [job()],
      [1, 2, 3].map((second) => failed(second)),
    ),
  ).toMatchObject([{ state: 'pending' }])
  expect(
    judge(
      [job()],
      [1, 2, 3, 4].map((second) => failed(second)),
    ),
  ).toMatchObject([
    {
      state: 'failed',
      reason: 'pod "job-4", container "app" ended with exit code 4, 4 times in a row (backoffLimit is 6)',
      pod: { name: 'job-4' },
    },
  ])
  expect(judge([job()], [pod('job-x', { ...crashed(3), lastState: { terminated: { exitCode: 4 } } }, { owner: 'job' })])).toMatchObject([
    { state: 'failed' },
  ])
  // One that succeeds now and then goes on, and so does one with others at the same time.
  expect(judge([job({ completions: 9 })], [failed(1), failed(2), failed(3, 0), failed(4), failed(5)])).toMatchObject([{ state: 'pending' }])
  expect(
    judge(
      [job({ completions: 9, parallelism: 3 })],
      [1, 2, 3, 4, 5].map((second) => failed(second)),
    ),
  ).toMatchObject([{ state: 'pending' }])
  // Who asks for more tries than the default has them while others start.
  const four = [1, 2, 3, 4].map((second) => failed(second))
  expect(judge([job({ backoffLimit: 20 }), deployment('a', rolling)], four)[0]).toMatchObject({ state: 'pending' })
})

test('a Job that has failed says which container ended how', () => {
  const status = { conditions: [{ type: 'FailureTarget', status: 'True', message: 'Job has reached the specified backoff limit' }] }
  const job: KubeObject = { apiVersion: 'batch/v1', kind: 'Job', metadata: metadata('job'), spec: {}, status }
  expect(judge([job], [pod('job-x', { state: { terminated: { exitCode: 4 } } }, { owner: 'job', phase: 'Failed' })])).toMatchObject([
    {
      state: 'failed',
      reason: 'the Job failed: Job has reached the specified backoff limit: pod "job-x", container "app" ended with exit code 4',
    },
  ])
})

test('a pod that is not ready says what its probe says, and a crash what kubelet ended it for', () => {
  const probe = 'Readiness probe failed: HTTP probe failed with statuscode: 404'
  expect(
    judge([deployment('a', rolling)], [pod('a', { ...running, ready: false, started: true })], {
      events: [warning('a', 'Unhealthy', probe)],
    }),
  ).toMatchObject([{ state: 'pending', reason: `0 of 1 pods ready, pod "a": running and not ready: ${probe}` }])
  const hook = "PostStartHook failed: command 'sh -c exit 5' exited with 5"
  expect(judge([deployment('a', rolling)], [pod('a', crashed(1))], { events: [warning('a', 'FailedPostStartHook', hook)] })).toMatchObject([
    { state: 'failed', reason: `pod "a", container "app" ended with exit code 1, restarted 1 time: ${hook}` },
  ])
})

test('a program that the image does not have is final, also while others start', () => {
  const message = 'failed to create containerd task: exec: "srever": executable file not found in $PATH'
  const pods = [
    pod('a', { ...crashed(1), lastState: { terminated: { exitCode: 128, reason: 'StartError', message } } }),
    pod('b', { state: { waiting: { reason: 'ContainerCreating' } } }),
  ]
  expect(judge([deployment('a', rolling), deployment('b', rolling)], pods)[0]).toMatchObject({
    state: 'failed',
    reason: `pod "a", container "app" could not be started: ${message}, restarted 1 time`,
  })
})

test('an init container that succeeds at its second try is no crash', () => {
  const initContainerStatuses = [{ name: 'init', restartCount: 1, state: { terminated: { exitCode: 0 } } }]
  const { status, ...rest } = pod('a', { state: { waiting: { reason: 'PodInitializing' } } })
  expect(judge([deployment('a', rolling)], [{ ...rest, status: { ...status, initContainerStatuses } } as Pod])).toMatchObject([
    { state: 'pending' },
  ])
})

test('a paused Deployment is said to be paused, unless its pods are there', () => {
  expect(judge([deployment('a', {}, { paused: true })], [])).toMatchObject([
    { state: 'failed', reason: '0 of 1 pods ready: it is paused (spec.paused)' },
  ])
  expect(judge([deployment('a', ready, { paused: true })], [pod('a', running)])).toMatchObject([{ state: 'ready' }])
})

test('a claim of an absent StorageClass names the claim, the class and those that are there', () => {
  const condition = {
    type: 'PodScheduled',
    status: 'False',
    reason: 'Unschedulable',
    message: 'pod has unbound immediate PersistentVolumeClaims. not found.',
  }
  const { spec, ...rest } = pod('a', {}, { phase: 'Pending', conditions: [condition] })
  const claiming = (volume: object) => ({ ...rest, spec: { ...spec!, volumes: [volume] } }) as Pod
  const claim = (name: string, storageClassName?: string) =>
    ({
      metadata: metadata(name),
      spec: { ...(storageClassName && { storageClassName }) },
      status: { phase: 'Pending' },
    }) as PersistentVolumeClaim
  const storageClasses: KubeObject[] = [{ apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name: 'local-path' } }]
  const judgeClaim = (volume: object, claims: PersistentVolumeClaim[]) =>
    judge([deployment('a', rolling)], [claiming(volume)], { facts: { ...noFacts, storageClasses, claims } })[0]
  expect(judgeClaim({ name: 'v', persistentVolumeClaim: { claimName: 'files' } }, [claim('files', 'gp3')])).toMatchObject({
    state: 'failed',
    reason: 'pod "a": PersistentVolumeClaim "files" asks for StorageClass "gp3", which is not there; the cluster has "local-path"',
  })
  expect(judgeClaim({ name: 'v', persistentVolumeClaim: { claimName: 'flies' } }, [claim('files')])).toMatchObject({
    state: 'failed',
    reason: 'pod "a": PersistentVolumeClaim "flies" is not there; namespace "default" has "files"',
  })
  expect(judgeClaim({ name: 'v', ephemeral: {} }, [claim('a-v', 'gp3')])).toMatchObject({
    state: 'failed',
    reason: expect.stringContaining('"a-v" asks for StorageClass "gp3"'),
  })
})

test('a headless Service without ports is ready with its first endpoint', () => {
  const service: KubeObject = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata('a'),
    spec: { clusterIP: 'None', selector: { app: 'a' } },
  }
  const slice = {
    metadata: { namespace: 'default', labels: { 'kubernetes.io/service-name': 'a' } },
    endpoints: [{ addresses: ['10.42.0.2'], conditions: { ready: true } }],
  }
  expect(judge([deployment('a', ready), service], [pod('a', running)], { endpointSlices: [slice] })[1]).toMatchObject({ state: 'ready' })
})

test('all images that cannot be pulled are told together', () => {
  const pulling = (name: string) => pod(name, { image: name, state: { waiting: { reason: 'ErrImagePull', message: 'no such host' } } })
  const creating = pod('c', { state: { waiting: { reason: 'ContainerCreating' } } })
  const judged = judge(
    [deployment('a', rolling), deployment('b', rolling), deployment('c', rolling)],
    [pulling('a'), pulling('b'), creating],
  )
  expect(judged).toMatchObject([
    { state: 'failed', grace: 5000, images: [{ image: 'a', why: 'no such host' }] },
    { state: 'failed', grace: 5000, images: [{ image: 'b' }] },
    { state: 'pending' },
  ])
})
