import { execFileSync } from 'node:child_process'
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { shellScript } from './shell-script.ts'

test('values arrive byte for byte, and files that a script includes stand in their place, seen from where each lies', () => {
  const folder = mkdtempSync(join(tmpdir(), 'shell-script-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'inner'))
  writeFileSync(join(folder, 'say.sh'), 'say() { printf "%s|" "$1"; }\n')
  writeFileSync(join(folder, 'inner/both.sh'), '. ../say.sh\n')
  writeFileSync(join(folder, 'main.sh'), ': "${text?}" "${number?}"\n. ./inner/both.sh\nsay "$text"\nsay "$number"\n')
  const main = shellScript<'text' | 'number'>(folder, 'main.sh')
  const text = `it's "$HOME" \`id\`\n  $(id) \\ ü`
  const { name, text: script } = main({ text, number: 7 })
  expect(name).toBe('main.sh')
  expect(execFileSync('sh', ['-c', script], { encoding: 'utf8' })).toBe(`${text}|7|`)
})
