import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { loadManifests, parseManifests } from './manifests.ts'
import { parseYaml } from './parse-yaml.ts'

test('reads scalars as kubectl does, and leaves quoted ones alone', () => {
  const yaml = `
apiVersion: v1
kind: ConfigMap
metadata: { name: scalars, annotations: { exponent: "1e3", plain: 1e3 } }
data: { quoted: "no", unquoted: no, on: on, version: "1.10", port: "08080", octal: 0644, float: 1.10, date: 2026-01-02, nothing: ~, letter: y, thousand: 1_000, binary: -0b11, text: !!binary aGVsbG8= }
`
  expect(parseManifests(yaml, 'a.yaml')[0]!.object).toMatchObject({
    metadata: { annotations: { exponent: '1e3', plain: 1000 } },
    data: {
      quoted: 'no',
      unquoted: false,
      true: true,
      version: '1.10',
      port: '08080',
      octal: 420,
      float: 1.1,
      date: '2026-01-02',
      nothing: null,
      letter: true,
      thousand: 1000,
      binary: -3,
      text: 'hello',
    },
  })
})

test('reads numbers as Go does: what no double holds is text', () => {
  const texts = ['1e400', '-1e400', '6135e899', '0x', '0o8', '_1', '.', '1.2.3', '2026-01-02', '0xFFFFFFFFFFFFFFFFF']
  const numbers = {
    '1_000.5': 1000.5,
    '1.5_5': 1.55,
    '.5_5': 0.55,
    '-0x_1F': -31,
    '0o_7': 7,
    '+0b1_1': 3,
    '08_1': 81,
    '0_7': 7,
    '1e1_0': 1e10,
  }
  const yaml = [...texts, ...Object.keys(numbers)].map((each) => `- ${each}`).join('\n')
  expect(parseYaml(yaml, 'a.yaml', 'File')[0]!.value).toEqual([...texts, ...Object.values(numbers)])
})

test('sends integers that no double holds digit by digit', () => {
  const [manifest] = parseManifests(
    '{ apiVersion: v1, kind: X, metadata: { name: x }, spec: { big: 12345678901234567890, small: 42 } }',
    'a.yaml',
  )
  expect(JSON.stringify(manifest!.object['spec'])).toBe('{"big":12345678901234567890,"small":42}')
})

test('takes a file apart: empty documents, comments, Lists, Windows line ends', () => {
  const yaml = [
    '---',
    '# only a comment',
    '---',
    'apiVersion: v1',
    'kind: List',
    'items:',
    '  - { apiVersion: v1, kind: Secret, metadata: { name: one } }',
    '  - { apiVersion: v1, kind: Secret, metadata: { name: two } }',
    '---',
    'apiVersion: v1',
    'kind: Service',
    'metadata: { name: three }',
    '---',
    '',
  ].join('\r\n')
  expect(parseManifests(yaml, 'k8s/all.yaml').map(({ object, origin }) => [object.metadata.name, origin])).toEqual([
    ['one', '"k8s/all.yaml", document 2 (line 4), item 1'],
    ['two', '"k8s/all.yaml", document 2 (line 4), item 2'],
    ['three', '"k8s/all.yaml", document 3 (line 10)'],
  ])
})

test('takes the later of two equal keys as kubectl does, and says so', () => {
  const [manifest] = parseManifests('apiVersion: v1\nkind: X\nkind: Other\nmetadata: { name: x }', 'a.yaml')
  expect(manifest!.object.kind).toBe('Other')
  expect(manifest!.notes).toEqual(['"a.yaml", document 1 (line 1) has the key "kind" twice: that of line 3 counts'])
})

describe('errors name file, document and line', () => {
  test.for([
    ['syntax', 'apiVersion: v1\nkind: [\n', /^Manifest "a\.yaml", document 1 \(line \d\) is not valid YAML: /],
    [
      'syntax, after others',
      'apiVersion: v1\nkind: X\nmetadata: { name: x }\n---\nhost: *.example.com',
      /^Manifest "a\.yaml", document 2 \(line 5\) is not valid YAML: "\*" begins/,
    ],
    ['no kind', '---\napiVersion: v1\nmetadata: { name: x }', /^Manifest "a\.yaml", document 1 \(line 2\) has no "kind"\./],
    [
      'no name',
      'apiVersion: v1\nkind: Secret\nmetadata: {}',
      /^Manifest "a\.yaml", document 1 \(line 1\) \(Secret\) has no "metadata\.name"\./,
    ],
    [
      'a name that is a number',
      'apiVersion: v1\nkind: Secret\nmetadata: { name: 123 }',
      /has no "metadata\.name" that is a string: it is 123/,
    ],
    [
      'a number that JSON does not have',
      'apiVersion: v1\nkind: X\nmetadata: { name: x }\nspec:\n  limit: -.inf',
      /^Manifest "a\.yaml", document 1 \(line 5\) is not valid YAML: -\.inf is no number that JSON can hold\.$/,
    ],
    ['text', 'just text', /^Manifest "a\.yaml", document 1 \(line 1\) is the string "just text", not an object\./],
    ['a list', '- a\n- b', /is a list, not an object/],
    [
      'a kustomization',
      'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: []',
      /name its folder in "kustomize"/,
    ],
  ] as const)('%s', ([, yaml, message]) => {
    expect(() => parseManifests(yaml, 'a.yaml')).toThrow(message)
  })
})

describe('paths', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'manifests-'))
    await mkdir(join(folder, 'k8s'))
    await mkdir(join(folder, 'empty'))
    for (const name of ['b.yaml', 'a.yml', 'c.json', 'notes.txt']) {
      await writeFile(join(folder, 'k8s', name), `{ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "${name[0]}" } }`)
    }
  })
  afterEach(() => rm(folder, { recursive: true }))

  const namesOf = async (sources: Parameters<typeof loadManifests>[0]) =>
    (await loadManifests(sources, folder)).map(({ object }) => object.metadata.name)

  test('a folder in the order of names, a file, a glob and an object', async () => {
    expect(await namesOf('./k8s')).toEqual(['a', 'b', 'c'])
    expect(await namesOf(['k8s/b.yaml', 'k8s/*.{yml,json}', { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'object' } }])).toEqual([
      'b',
      'a',
      'c',
      'object',
    ])
  })

  test('a kustomization is known by its name, its kind and its apiVersion, and a chart by its files', async () => {
    const files = {
      'kustomization.yaml': 'resources: [a.yaml]',
      'a.yaml': 'apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component',
      'Chart.yaml': 'apiVersion: v2\nname: shop',
    }
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(folder, 'empty', name), text)
      const hint =
        name === 'Chart.yaml' ? 'A chart cannot be applied directly: name its folder in "charts".' : /^A kustomization cannot be applied/
      await expect(namesOf(`./empty/${name}`)).rejects.toMatchObject({ code: 'ERR_MANIFEST_INVALID', hint: expect.stringMatching(hint) })
    }
  })

  test('a file that is not in UTF-8 is named', async () => {
    await writeFile(join(folder, 'empty/a.yaml'), Buffer.from([0x61, 0x3a, 0x20, 0xff]))
    await expect(namesOf('./empty/a.yaml')).rejects.toThrow('Manifest "empty/a.yaml" is no text in UTF-8.')
  })

  test.for([
    ['./k8s/missing.yaml', 'Manifest "./k8s/missing.yaml" does not exist'],
    ['./nowhere/*.yaml', 'Manifest "./nowhere/*.yaml" does not exist'],
    ['https://example.com/app.yaml', '"https://example.com/app.yaml" of option `manifests` is a URL, and only files are read'],
    ['./empty', 'Folder "./empty" has no .yaml, .yml or .json file'],
  ] as const)('%s is refused', async ([source, message]) => {
    await expect(namesOf(source)).rejects.toMatchObject({ code: 'ERR_MANIFEST_NOT_FOUND', message: expect.stringContaining(message) })
  })
})
