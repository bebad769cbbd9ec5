import { readFile } from 'node:fs/promises'

import { expect, test } from 'vitest'

import { sections } from '../scripts/docs/option-sections.ts'
import { readOptions, renderCommands, renderOptions } from '../scripts/docs/reference.ts'
import { commands } from './cli/commands.ts'

const read = (path: string) => readFile(new URL(`../${path}`, import.meta.url), 'utf8')

test('docs/options.md is what the types say: `npm run reference` writes it', async () => {
  expect(await read('docs/options.md')).toBe(await renderOptions())
})

test('docs/cli.md has the usage of every command as it is: `npm run reference` writes it', async () => {
  const page = await read('docs/cli.md')
  expect(page).toBe(renderCommands(page))
  const used = [...page.matchAll(/<!-- usage: (\S+) -->/g)].map(([, name]) => name)
  expect(used).toEqual(['all', ...Object.keys(commands)])
})

test('every option says what it means, is explained on the page that is named, and used by the file that is named', async () => {
  const wrong: string[] = []
  for (const section of sections) {
    const options = await readOptions(section)
    const names = [...new Set(options.map(({ name }) => name))]
    if (names.toSorted().join() !== Object.keys(section.uses).toSorted().join())
      wrong.push(`${section.heading}: other options than ${names.join()}`)
    for (const { name, meaning } of options) if (!meaning) wrong.push(`${section.heading}: ${name} has no docstring`)
    for (const [name, use] of Object.entries(section.uses)) {
      const [file, page = section.page] = typeof use === 'string' ? [use] : use
      const code = [...(await read(`docs/${page.split('#')[0]}`)).matchAll(/```.*?```|`[^`\n]+`/gs)].map(([span]) => span).join('\n')
      if (!new RegExp(`\\b${name}\\b`).test(code)) wrong.push(`${section.heading}: ${page} does not have ${name}`)
      if (!new RegExp(`\\b${name}\\b *[:,}(]`).test(await read(file))) wrong.push(`${section.heading}: ${file} does not use ${name}`)
    }
  }
  expect(wrong).toEqual([])
})
