import { expect, test } from 'vitest'

import { addPlugin } from './edit-config.ts'

const line = `import { kubernetes } from 'vitest-kubernetes/plugin'\n`

test('adds the plugin to the plugins that are there, or as the first key', () => {
  expect(addPlugin(`import { defineConfig } from 'vitest/config'\n\nexport default defineConfig({ plugins: [vue()], test: {} })\n`)).toBe(
    `import { defineConfig } from 'vitest/config'\n${line}\nexport default defineConfig({ plugins: [kubernetes({ templates: true }), vue()], test: {} })\n`,
  )
  expect(addPlugin(`export default {\n  plugins: [\n  ],\n}\n`)).toBe(
    `${line}export default {\n  plugins: [kubernetes({ templates: true })\n  ],\n}\n`,
  )
  expect(addPlugin(`export default defineConfig({\n  test: { globals: true },\n})\n`)).toBe(
    `${line}export default defineConfig({\n  plugins: [kubernetes({ templates: true })],\n  test: { globals: true },\n})\n`,
  )
})

test('is not misled by comments, strings and keys of inner objects', () => {
  const config = `import a from 'a'
// defineConfig({ plugins: [] })
export default defineConfig({
  css: { plugins: ['defineConfig({'] }, // plugins: [
  test: { name: "plugins: [", include: ['**/*.test.ts'] },
})
`
  expect(addPlugin(config)).toBe(
    config
      .replace(`from 'a'\n`, `from 'a'\n${line}`)
      .replace(/(default defineConfig\(\{)/, '$1\n  plugins: [kubernetes({ templates: true })],'),
  )
})

test('leaves a config alone whose object cannot be found for sure', () => {
  expect(addPlugin(`export default mergeConfig(base, defineConfig({}), defineConfig({}))`)).toBeUndefined()
  expect(addPlugin(`const config = make()\nexport default config`)).toBeUndefined()
  expect(addPlugin(`export default defineConfig({ plugins: common })`)).toBeUndefined()
  expect(addPlugin(`export default defineConfig(({ mode }) => ({ plugins: [] }))`)).toBeUndefined()
})
