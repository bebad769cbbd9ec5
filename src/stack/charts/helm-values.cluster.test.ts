import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { parseYaml } from '../manifests/parse-yaml.ts'
import type { ChartOptions } from '../tool-options.ts'
import { planCharts } from './charts.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'values-'))
})
afterEach(() => rm(folder, { recursive: true }))

const shop = join(import.meta.dirname, '../../../fixtures/charts/shop')

async function render(options: Partial<ChartOptions>) {
  const [plan] = await planCharts({ shop: { chart: shop, ...options } }, { folder, runFolder: folder, namespace: 'default' })
  const config = plan!.manifests.find(({ object }) => object.metadata.name === 'shop-values')!.object
  const { 'values.json': values, number } = config['data'] as Record<string, string>
  return { values: JSON.parse(values!) as Record<string, unknown>, number, objects: plan!.manifests }
}

const valuesTemplate =
  'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: shop-values }\ndata: { values.json: {{ .Values | toJson | quote }} }\n'

test('keeps the types of values', async () => {
  const { values, number } = await render({
    values: {
      number: 356136738,
      text: '0123',
      exponent: '1e5',
      flag: true,
      word: 'true',
      'key.with.dots': 'a,b={c}',
      list: [1, '1', null],
      left: undefined,
      extras: { colour: null },
      empty: '',
    },
  })
  expect(values).toMatchObject({
    number: 356136738,
    text: '0123',
    exponent: '1e5',
    flag: true,
    word: 'true',
    'key.with.dots': 'a,b={c}',
    list: [1, '1', null],
    extras: { size: 'large' },
    empty: '',
  })
  expect(values['extras']).not.toHaveProperty('colour')
  expect(values).not.toHaveProperty('left')
  expect(number).toBe('356136738')
})

test('null takes a default of a subchart away, whether the subchart or its parent has it', async () => {
  const chart = join(folder, 'chart')
  const sub = join(chart, 'charts/sub')
  await mkdir(join(sub, 'templates'), { recursive: true })
  await writeFile(join(chart, 'Chart.yaml'), 'apiVersion: v2\nname: parent\nversion: 0.1.0\n')
  await writeFile(join(chart, 'values.yaml'), 'sub: { parents: 1, kept: 2 }\n')
  await writeFile(join(sub, 'Chart.yaml'), 'apiVersion: v2\nname: sub\nversion: 0.1.0\n')
  await writeFile(join(sub, 'values.yaml'), 'own: 3\nparents: 0\nnested: { own: 4, kept: 5 }\n')
  await writeFile(join(sub, 'templates/shop.yaml'), valuesTemplate)
  const { values } = await render({ chart, values: { sub: { own: null, parents: null, nested: { own: null } } } })
  expect({ ...values, global: undefined }).toEqual({ kept: 2, nested: { kept: 5 } })
})

test('merges files as Helm does, and reads them as Helm does', async () => {
  await writeFile(join(folder, 'one.yaml'), 'extras: { colour: blue, depth: 0755 }\nnumber: 12345678901\nanswer: no\n---\nquoted: "no"\n')
  await writeFile(join(folder, 'two.yaml'), 'extras: { size: small }\n')
  const { values, number } = await render({ valuesFiles: ['one.yaml', 'two.yaml'], values: { extras: { shape: 'round' } } })
  expect(values).toMatchObject({
    extras: { colour: 'blue', depth: 493, size: 'small', shape: 'round' },
    answer: false,
    quoted: 'no',
  })
  expect(number).toBe('12345678901')
})

test('reads every scalar of YAML as the parser of kubectl and Helm does', async () => {
  const scalars = ['no', 'No', 'NO', 'n', 'N', 'y', 'Y', 'yes', 'on', 'On', 'off', 'OFF', 'true', 'True', 'TRUE', 'null', 'Null', '~', '']
  scalars.push('0644', '0o644', '08080', '0x1F', '0b101', '1_000', '-0', '+5', '1e3', '1E3', '1.10', '1.', '.5', '12e03', '190:20:30')
  scalars.push('2026-01-02', '2026-01-02T03:04:05Z', '"no"', "'0644'", '!!str 0644', '!!binary aGVsbG8=', '<<', '=', '12345678901')
  scalars.push(
    '1e400',
    '-1e400',
    '6135e899',
    '1e-400',
    '1e1_0',
    '1_000.5',
    '1.5_5',
    '.5_5',
    '-.5',
    '0x_1F',
    '0X1F',
    '-0x1F',
    '0o_7',
    '0O17',
  )
  scalars.push('+0b1_1', '08_1', '0_7', '1__0', '0b2', '0o8', '0x', '_1', '.', '.e3', '1.2.3', '+', '0x1p4', '0xFFFFFFFFFFFFFFFFF')
  const text =
    scalars.map((scalar, index) => `k${index}: ${scalar}\n`).join('') + 'yes: 1\n? 0644\n: 2\nlist: [no, on, 010]\nmultiline: |\n  a\n  b\n'
  await mkdir(join(folder, 'chart/templates'), { recursive: true })
  await writeFile(join(folder, 'chart/Chart.yaml'), 'apiVersion: v2\nname: scalars\nversion: 0.1.0\n')
  await writeFile(join(folder, 'chart/values.yaml'), text)
  await writeFile(join(folder, 'chart/templates/shop.yaml'), valuesTemplate)
  const { values } = await render({ chart: join(folder, 'chart') })
  const ours = parseYaml(text, 'values', 'File')[0]!.value as Record<string, unknown>
  // A null takes a default of a chart away, its own included.
  const expected = Object.fromEntries(Object.entries(ours).filter(([, value]) => value !== null))
  const named = (each: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(each).map(([key, value]) => [scalars[Number(key.slice(1))] ?? key, value]))
  expect(named(expected)).toEqual(named(values))
})

test.for([
  ['no chart', { chart: './absent' }, 'ERR_HELM_CHART_NOT_FOUND', /^There is no chart at "\.\/absent" for release "shop"/],
  ['no values file', { valuesFiles: 'absent.yaml' }, 'ERR_HELM_VALUES', /^Values file "absent\.yaml" does not exist/],
  [
    'a template that fails',
    { values: { number: 'x', image: { a: 1 } } },
    'ERR_HELM_FAILED',
    /^Chart ".*\/shop" of release "shop" could not be rendered: /,
  ],
  [
    'an integer that Helm rounds',
    { valuesFiles: 'big.yaml' },
    'ERR_HELM_VALUES',
    /^Values file "big\.yaml", document 1 \(line 1\) has the integer 12345678901234567890/,
  ],
] as const)('says what is wrong: %s', async ([, options, code, message]) => {
  await writeFile(join(folder, 'big.yaml'), 'a: { b: [12345678901234567890] }')
  await expect(render(options)).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
})

test('a template may ask for what the suite defines, and for what its options name', async () => {
  const chart = join(folder, 'chart')
  await mkdir(join(chart, 'templates'), { recursive: true })
  await writeFile(join(chart, 'Chart.yaml'), 'apiVersion: v2\nname: asks\nversion: 0.1.0\n')
  const asks = (version: string) =>
    `{{- if not (.Capabilities.APIVersions.Has "${version}") }}{{ fail "install ${version} first" }}{{ end }}`
  await writeFile(join(chart, 'templates/shop.yaml'), `${asks('a.example.com/v1')}\n${asks('b.example.com/v1/Thing')}\n${valuesTemplate}`)
  await expect(render({ chart })).rejects.toMatchObject({
    code: 'ERR_HELM_FAILED',
    message: expect.stringMatching(
      /install a\.example\.com\/v1 first.*\nHint: Charts are rendered before there is a cluster: .*`apiVersions`/s,
    ),
  })
  await render({ chart, apiVersions: ['a.example.com/v1', 'b.example.com/v1/Thing'] })
})

test('names the charts that a chart depends on and that are not there', async () => {
  await writeFile(
    join(folder, 'Chart.yaml'),
    'apiVersion: v2\nname: broken\nversion: 0.1.0\ndependencies: [{ name: absent, version: 1.0.0, repository: "https://charts.invalid" }]\n',
  )
  await expect(render({ chart: folder })).rejects.toMatchObject({
    code: 'ERR_HELM_FAILED',
    message: expect.stringMatching(/could not be rendered: .*absent.*\nHint: Fetch its dependencies: run "helm dependency build"/s),
  })
})
