import { expect, test } from 'vitest'

import { parseTemplates, readSettings } from './settings.ts'

test.each([
  ['true', 20e9],
  ['false', undefined],
  ['', undefined],
  ['5 GB', 5e9],
  ['700MiB', 700 * 2 ** 20],
])('VITEST_KUBERNETES_TEMPLATES=%s', (value, templateLimit) => {
  expect(readSettings({ VITEST_KUBERNETES_TEMPLATES: value })).toMatchObject({ templateLimit })
})

test.each(['yes', '0', '-1 GB', '5 apples'])('templates: %s is refused', (value) => {
  expect(() => parseTemplates('`templates`', value)).toThrow(
    `Expected \`templates\` to be true, false, or a size such as "5 GB", got "${value}".`,
  )
})

test('templates can be set as true and false', () => {
  expect([parseTemplates('`templates`', true), parseTemplates('`templates`', false)]).toEqual([20e9, undefined])
})
