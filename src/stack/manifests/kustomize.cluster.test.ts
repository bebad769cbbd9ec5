import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { renderKustomize } from './kustomize.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kustomize-'))
})
afterEach(() => rm(folder, { recursive: true }))

test('renders overlays: names, generated ConfigMaps, images', async () => {
  const manifests = await renderKustomize(['../../../fixtures/kustomize/overlays/test'], import.meta.dirname)
  expect(manifests.map(({ object }) => `${object.kind} ${object.metadata.name}`)).toEqual([
    expect.stringMatching(/^ConfigMap test-settings-\w+$/),
    'Deployment test-worker',
  ])
  expect(manifests[1]).toMatchObject({
    object: {
      spec: { template: { spec: { containers: [{ image: 'registry.example.com/shop/hello:2.0', env: [{ value: 'no' }, {}] }] } } },
    },
    origin: '"kustomize ../../../fixtures/kustomize/overlays/test", document 2 (line 8)',
  })
})

test.for([
  [
    'a folder that is not there',
    './absent',
    undefined,
    'ERR_MANIFEST_NOT_FOUND',
    /^Folder "\.\/absent" in option `kustomize` does not exist/,
  ],
  [
    'a folder without a kustomization',
    '.',
    undefined,
    'ERR_KUSTOMIZE_FAILED',
    /^"\." could not be rendered by "kubectl kustomize": .*unable to find one of 'kustomization\.yaml'/,
  ],
  ['a resource that is not there', '.', 'resources: [absent.yaml]', 'ERR_KUSTOMIZE_FAILED', /absent\.yaml/],
] as const)('says what is wrong with %s', async ([, overlay, content, code, message]) => {
  if (content) await writeFile(join(folder, 'kustomization.yaml'), content)
  await expect(renderKustomize(overlay, folder)).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
})

test('refuses what sops has encrypted: rendering changes what its MAC is made of', async () => {
  const encrypted =
    'apiVersion: v1\nkind: Secret\nmetadata: { name: keys }\nstringData: { a: "ENC[AES256_GCM,data:x]" }\nsops: { mac: "ENC[AES256_GCM,data:y]" }\n'
  await writeFile(join(folder, 'keys.yaml'), encrypted)
  await writeFile(join(folder, 'kustomization.yaml'), 'resources: [keys.yaml]')
  await expect(renderKustomize('.', folder)).rejects.toMatchObject({
    code: 'ERR_MANIFEST_INVALID',
    message: expect.stringMatching(
      /^Manifest "kustomize \.", document 1 \(line 1\) is encrypted by sops\.\nHint: Name its file in "secrets"/,
    ),
  })
})
