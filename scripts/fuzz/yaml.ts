// Compares how manifests are read with how kubectl reads them: on all YAML files of folders, and on texts made by chance.
// Usage: sh scripts/setup node scripts/fuzz/yaml.ts [seconds] [folder…] [--seed=number]
import { glob, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { parseYaml } from '../../src/stack/manifests/parse-yaml.ts'
import { messageOf } from '../../src/support/errors.ts'
import { parseExactJson } from '../../src/support/exact-json.ts'
import { createChance, generateDocument, generateSoup, mutate } from './generate-yaml.ts'
import { type KubectlAnswer, canonical, startKubectlReader } from './kubectl-reader.ts'

const [seconds = '60', ...folders] = process.argv.slice(2).filter((each) => !each.startsWith('--'))
const seed = Number(process.argv.find((each) => each.startsWith('--seed='))?.slice(7) ?? 1)

const anotherValue = 'another value'

using kubectl = await startKubectlReader()
const differences = new Map<string, { count: number; example: string }>()
const files: string[] = []
let compared = 0
for (const folder of folders) await compareFiles(folder)
console.log(`${compared} files compared`)
const fromFiles = compared
const end = performance.now() + Number(seconds) * 1000
for (let round = 0; performance.now() < end; round++)
  await compare(Array.from({ length: 200 }, (_, index) => generate(round * 200 + index)))
console.log(`${compared - fromFiles} texts compared, seed ${seed}`)
for (const [kind, { count, example }] of [...differences].toSorted(([, a], [, b]) => b.count - a.count).slice(0, 30))
  console.log(`\n${count} × ${kind}\n${example}`)
process.exitCode = differences.size > 0 ? 1 : 0

async function compareFiles(folder: string): Promise<void> {
  for await (const name of glob('**/*.{yaml,yml,json}', { cwd: folder, exclude: ['**/.git/**'] })) {
    const file = join(folder, name)
    const found = await stat(file)
    if (!found.isFile() || found.size > 2_000_000) continue
    const text = await readFile(file, 'utf8')
    files.push(text.slice(0, 1500))
    await compare([text], file)
  }
}

function generate(index: number): string {
  const chance = createChance(seed * 1_000_003 + index)
  const kind = chance.below(files.length > 0 ? 5 : 4)
  if (kind === 0) return generateSoup(chance)
  if (kind === 1) return mutate(chance, generateDocument(chance))
  return kind < 4 ? generateDocument(chance) : mutate(chance, chance.one(files))
}

async function compare(texts: readonly string[], file?: string): Promise<void> {
  const answers = await kubectl.read(texts)
  for (const [index, text] of texts.entries()) {
    compared++
    const kind = difference(text, read(text), answers[index]!)
    if (kind === undefined || (kind === anotherValue && (await isByChance(text)))) continue
    const found = differences.get(kind)
    const example = [
      file ?? JSON.stringify(text.slice(0, 600)),
      `  kubectl: ${show(answers[index]!)}`,
      `  here:    ${show(read(text))}`,
    ].join('\n')
    // The shortest one is the easiest to understand.
    differences.set(kind, {
      count: (found?.count ?? 0) + 1,
      example: found && found.example.length <= example.length ? found.example : example,
    })
  }
}

function read(text: string): KubectlAnswer {
  try {
    const documents = parseYaml(text, 'text', 'Text').filter(({ value }) => value !== null && value !== undefined)
    return { documents: documents.map(({ value }) => canonical(parseExactJson(JSON.stringify(value)))), error: undefined }
  } catch (error) {
    return { documents: [], error: messageOf(error) }
  }
}

/** Differences that are meant. */
function isMeant(text: string, here: KubectlAnswer, there: KubectlAnswer): boolean {
  // With two byte order marks go-yaml 2 takes the first character of each line for one (`is_bom` looks at the start of its buffer).
  if (text.startsWith('\uFEFF\uFEFF')) return true
  // It takes for JSON what stands behind blanks that JSON does not have.
  if (/^[\s\x85]*\{/.test(text) && !/^[ \t\r\n]*\{/.test(text)) return true
  if (there.error === undefined) {
    // Text and lists are no objects of Kubernetes.
    if (there.documents.some((document) => !document.startsWith('{'))) return true
    return here.error !== undefined && (/directives such as/.test(here.error) || isHalfRead(text, there))
  }
  // kubectl refuses some texts that begin as JSON and go on as something else.
  return /^(?:json: |unexpected (?:EOF|end)|invalid character)/.test(there.error)
}

/** kubectl drops what stands behind the value of a part without a word: less of each part has the same values. */
function isHalfRead(text: string, { documents }: KubectlAnswer): boolean {
  let counts = [0]
  for (const part of text.split(/(?<=\n)(?=---)/)) {
    const next = counts.flatMap((count) =>
      readings(part).flatMap((found) =>
        found.every((document, index) => document === documents[count + index]) ? [count + found.length] : [],
      ),
    )
    counts = [...new Set(next)]
  }
  return counts.includes(documents.length)
}

/** All that a part may mean to whoever stops somewhere in it. */
function readings(part: string): readonly (readonly string[])[] {
  const cuts = Array.from({ length: part.length }, (_, cut) => cut).filter((cut) =>
    /[^ \t\r\n]/.test(part.slice(cut).replaceAll(/#.*/g, '')),
  )
  const texts = [part, ...cuts.flatMap((cut) => [part.slice(0, cut), `${part.slice(0, cut)}\n`])]
  return texts.map(read).flatMap(({ documents, error }) => (error === undefined ? [documents] : []))
}

function difference(text: string, here: KubectlAnswer, there: KubectlAnswer): string | undefined {
  if (isMeant(text, here, there)) return undefined
  if (here.error !== undefined) return there.error === undefined ? `refused here: ${generalise(here.error)}` : undefined
  if (there.error !== undefined) return `refused by kubectl: ${generalise(there.error)}`
  return JSON.stringify(here.documents) === JSON.stringify(there.documents) ? undefined : anotherValue
}

/** Of keys that are one number in two types (`1_000`, `1e3`), kubectl takes one by chance: Go's maps have no order. */
async function isByChance(text: string): Promise<boolean> {
  const answers = await kubectl.read(Array.from({ length: 50 }, () => text))
  return answers.some((answer) => difference(text, read(text), answer) === undefined)
}

function generalise(message: string): string {
  return message
    .replaceAll(/line \d+|document \d+/g, '…')
    .replaceAll(/["`'].*["`']/g, '…')
    .slice(0, 100)
}

function show({ documents, error }: KubectlAnswer): string {
  return (error ?? documents.join(' --- ')).slice(0, 400)
}
