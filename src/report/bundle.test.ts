import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import Dockerode from 'dockerode'
import { expect, test } from 'vitest'

import type { Cluster } from '../cluster/cluster.ts'
import type { Docker } from '../docker/docker.ts'
import { createKubeClient } from '../kube/client.ts'
import { redactFor } from '../stack/ready/diagnose.ts'
import { nodesOf, writeBundle } from './bundle.ts'
import { createRecorder } from './recorder.ts'

/** Of a server that refuses every connection. */
const kubeconfig = `
apiVersion: v1
kind: Config
current-context: none
contexts: [{ name: none, context: { cluster: none, user: none } }]
clusters: [{ name: none, cluster: { server: 'http://127.0.0.1:9' } }]
users: [{ name: none, user: {} }]
`

test('where Secrets cannot be read, nothing is shown or written that may hold one', async () => {
  const kube = createKubeClient(kubeconfig)
  expect((await redactFor(kube))('login with hunter22')).toMatch(
    /^\(not shown, since it may hold a Secret and these cannot be read: .*\)$/s,
  )

  const folder = await mkdtemp(join(tmpdir(), 'bundle-'))
  const recorder = await createRecorder(folder).suite({ id: '1', name: 'shop', file: '/shop.test.ts' })
  const cluster = { name: 'none', nodes: [{ name: 'none-0' }], kube } as unknown as Cluster
  const docker = { engine: new Dockerode({ socketPath: join(folder, 'no-engine') }) } as unknown as Docker
  const options = {
    ...{ recorder, namespaces: () => undefined, manifests: [] },
    ...{ cluster, nodes: nodesOf(docker, cluster) },
    outputs: async () => [{ path: 'bridges/orders.log', text: 'login with hunter22' }],
  }
  await writeBundle({ ...options, isWatched: false })
  const suite = join(folder, 'shop-test-shop')
  expect(await readdir(suite)).toEqual(['report.txt'])
  expect(await readFile(join(suite, 'report.txt'), 'utf8')).toMatch(/^Neither logs nor objects are written, .* cannot be read: /)

  // What was known before the server went is redacted.
  recorder.addSecrets(['hunter22'])
  await writeBundle({ ...options, isWatched: true })
  expect(await readFile(join(suite, 'bridges/orders.log'), 'utf8')).toBe('login with [redacted]')
  await rm(folder, { recursive: true })
})
