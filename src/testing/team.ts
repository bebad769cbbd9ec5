import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { parseAllDocuments } from 'yaml'

import { runCli } from '../cli/run-cli.ts'
import type { TestCluster } from '../client/test-cluster.ts'
import type { KubeconfigCluster } from '../engine/leased/options.ts'
import type { KubeClient } from '../kube/client.ts'
import type { KubeObject } from '../kube/object.ts'

/** Somebody who has the rights of `edit` in some namespaces of a cluster, and knows nothing of it but a kubeconfig. */
export interface Team extends AsyncDisposable {
  readonly kubeconfig: string
  readonly context: string
  /** For vitest: the cluster, and neither Docker nor k3d. */
  env(cluster?: Partial<KubeconfigCluster>): Readonly<Record<string, string>>
}

/** Does what an administrator does, with what `rbac` prints. */
export async function startTeam(cluster: TestCluster, kube: KubeClient, pool: string, ...options: readonly string[]): Promise<Team> {
  const printed: string[] = []
  const subject = ['--subject', 'serviceaccount:default/team', ...options]
  await runCli(['rbac', pool, ...subject], { print: (line) => printed.push(line), note: () => {}, env: {}, cwd: '/' })
  const account: KubeObject = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'team' } }
  await cluster.apply([account, ...parseAllDocuments(printed.join('\n')).map((document) => document.toJS() as KubeObject)])
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 7_200 } }
  const { status } = await kube.request<{ status: { token: string } }>('POST', '/api/v1/namespaces/default/serviceaccounts/team/token', {
    body: request,
  })
  const { server, caData } = kube.config.getCurrentCluster()!
  const folder = await mkdtemp(join(tmpdir(), 'team-'))
  const kubeconfig = join(folder, 'kubeconfig')
  const named = (name: string, key: string, value: object) => [{ name, [key]: value }]
  await writeFile(
    kubeconfig,
    JSON.stringify({
      ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'production' },
      clusters: named('shared', 'cluster', { server, 'certificate-authority-data': caData }),
      users: named('team', 'user', { token: status.token }),
      contexts: named('testing', 'context', { cluster: 'shared', user: 'team' }),
    }),
  )
  const context = 'testing'
  return {
    ...{ kubeconfig, context },
    env: (changes) => ({
      DOCKER_HOST: 'unix:///nowhere',
      // With kubectl and Helm, where the tools of the kit are, and without k3d.
      VITEST_KUBERNETES_K3D: 'no-k3d-here',
      PATH: [dirname(process.execPath), process.env['PATH']].join(':'),
      EXISTING_CLUSTER: JSON.stringify({ kubeconfig, context, namespaces: { pool }, relayImage: 'busybox:1.37', ...changes }),
    }),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  }
}
