import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'
import { stringify } from 'yaml'

import { createKubeClient } from '../../kube/client.ts'
import { readContext } from './kubeconfig.ts'

async function write(config: object): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kubeconfig-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'config'), stringify(config))
  return join(folder, 'config')
}

const exec = {
  apiVersion: 'client.authentication.k8s.io/v1',
  command: 'aws',
  args: ['eks', 'get-token'],
  env: [{ name: 'AWS_PROFILE', value: 'dev' }],
  interactiveMode: 'Never',
}
const config = {
  apiVersion: 'v1',
  kind: 'Config',
  'current-context': 'production',
  clusters: [
    { name: 'prod', cluster: { server: 'https://prod.example.com' } },
    {
      name: 'eks',
      cluster: {
        server: 'https://eks.example.com:6443',
        'certificate-authority': 'ca.crt',
        'tls-server-name': 'kubernetes',
        'proxy-url': 'http://gate.example.com',
        'insecure-skip-tls-verify': false,
      },
    },
  ],
  users: [
    { name: 'admin', user: { token: 'secret of production' } },
    { name: 'dev', user: { exec } },
    { name: 'files', user: { tokenFile: 'token', 'client-certificate': 'dev.crt', 'client-key': 'dev.key' } },
  ],
  contexts: [
    { name: 'production', context: { cluster: 'prod', user: 'admin' } },
    { name: 'staging', context: { cluster: 'eks', user: 'dev', namespace: 'somewhere' } },
    { name: 'by-files', context: { cluster: 'eks', user: 'files' } },
    { name: 'half', context: { cluster: 'gone', user: 'dev' } },
  ],
}

test('keeps all that the context says, and nothing of others', async () => {
  const context = readContext(await write(config), 'staging')
  expect(context.kube.scope).toBeUndefined()
  const text = context.inNamespace('it-1')
  expect(text).not.toContain('secret of production')
  const { kube } = { kube: createKubeClient(text) }
  expect(kube.scope).toBe('it-1')
  const written = JSON.parse(text) as typeof config
  expect(written['current-context']).toBe('staging')
  expect(written.users).toEqual([{ name: 'dev', user: { exec } }])
  expect(written.clusters[0]!.cluster).toMatchObject({
    server: 'https://eks.example.com:6443',
    'tls-server-name': 'kubernetes',
    'proxy-url': 'http://gate.example.com',
  })
})

test('finds files beside the kubeconfig, wherever the copy is', async () => {
  const path = await write(config)
  const written = JSON.parse(readContext(path, 'by-files').inNamespace('it-1')) as {
    clusters: [{ cluster: object }]
    users: [{ user: object }]
  }
  const beside = (name: string) => join(path, '..', name)
  expect(written.clusters[0].cluster).toMatchObject({ 'certificate-authority': beside('ca.crt') })
  expect(written.users[0].user).toMatchObject({
    tokenFile: beside('token'),
    'client-certificate': beside('dev.crt'),
    'client-key': beside('dev.key'),
  })
})

test('a context that is absent, or names what the file does not have, is refused', async () => {
  const path = await write(config)
  expect(() => readContext(path, 'test')).toThrow(/has no context "test"\.\nHint: It has "production", "staging", "by-files" and "half"\.$/)
  expect(() => readContext(path, 'half')).toThrow('names cluster "gone", which the file does not have.')
  const empty = await write({ apiVersion: 'v1', kind: 'Config', clusters: null, users: null, contexts: null })
  expect(() => readContext(empty, 'test')).toThrow(/has no context "test"\.\nHint: It has none\.$/)
  expect(() => readContext('/nowhere/config', 'a')).toThrow(expect.objectContaining({ code: 'ERR_CLUSTER_KUBECONFIG' }))
})
