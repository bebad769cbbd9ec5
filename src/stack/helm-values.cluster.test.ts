import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { planCharts } from './charts.ts'
import type { ChartOptions } from './tool-options.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'values-'))
})
afterEach(() => rm(folder, { recursive: true }))

const shop = join(import.meta.dirname, '../../fixtures/charts/shop')

async function render(options: Partial<ChartOptions>) {
  const [plan] = await planCharts({ shop: { chart: shop, ...options } }, { folder, runFolder: folder, namespace: 'default' })
  const config = plan!.manifests.find(({ object }) => object.metadata.name === 'shop-values')!.object
  const { 'values.json': values, number } = config['data'] as Record<string, string>
  return { values: JSON.parse(values!) as Record<string, unknown>, number, objects: plan!.manifests }
}

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

test('names the charts that a chart depends on and that are not there', async () => {
  await writeFile(
    join(folder, 'Chart.yaml'),
    'apiVersion: v2\nname: broken\nversion: 0.1.0\ndependencies: [{ name: absent, version: 1.0.0, repository: "https://charts.invalid" }]\n',
  )
  await expect(render({ chart: folder })).rejects.toMatchObject({
    code: 'ERR_HELM_FAILED',
    message: expect.stringMatching(
      /could not be rendered: .*absent.*\nHint: Fetch the charts that it depends on: "helm dependency build"/s,
    ),
  })
})
