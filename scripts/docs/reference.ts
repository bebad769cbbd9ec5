import { readFile, writeFile } from 'node:fs/promises'

import { type TSInterfaceDeclaration, type TSSignature, type TSTypeAliasDeclaration, parseSync } from 'oxc-parser'

import { commands } from '../../src/cli/commands.ts'
import { type OptionSection, sections } from './option-sections.ts'

// Usage: npm run reference
// Writes docs/options.md from the types, and the usage of each command in docs/cli.md from the commands' definitions.
// src/reference.test.ts fails while they differ.

interface Option {
  readonly name: string
  readonly type: string
  readonly isRequired: boolean
  readonly meaning: string
  readonly fallback: string | undefined
  readonly example: string | undefined
}

export async function renderOptions(): Promise<string> {
  const intro = `# Options

Every option, from the types that your editor shows. Each links to the page that explains it, and to a file of this package's tests or examples that uses it.

<!-- \`npm run reference\` writes this page. -->
`
  return [intro, ...(await Promise.all(sections.map(renderSection)))].join('\n')
}

/** The options of a section by name, in the order of their types. */
export async function readOptions({ types }: OptionSection): Promise<readonly Option[]> {
  const options = await Promise.all(
    types.map(async (place) => {
      const [file = '', type = ''] = place.split('#')
      return optionsOf(file, await read(file), type)
    }),
  )
  // Of two types that share a key, such as the checks of readiness, both count unless they say the same.
  return options
    .flat()
    .filter((option, index, all) => all.findIndex((other) => other.name === option.name && other.meaning === option.meaning) === index)
}

async function renderSection(section: OptionSection): Promise<string> {
  const entries = await Promise.all((await readOptions(section)).map((option) => renderOption(option, section)))
  return [`## ${section.heading}\n`, ...entries].join('\n')
}

async function renderOption(
  { name, type, isRequired, meaning, fallback, example }: Option,
  { page, uses }: OptionSection,
): Promise<string> {
  const use = uses[name] ?? ''
  const [file, explained = page] = typeof use === 'string' ? [use] : use
  const facts = [
    `- **Type:** ${codeSpan(type)}${sectionsIn(type)}`,
    ...(fallback ? [`- **Default:** ${asCode(fallback)}`] : isRequired ? ['- **Required**'] : []),
    `- **See:** [${await headingOf(explained)}](${explained}), [\`${file.split('/').at(-1)}\`](../${file})`,
  ]
  return [
    `### \`${name}\`\n`,
    ...facts,
    '',
    ...(meaning ? [`${meaning}\n`] : []),
    ...(example ? [`\`\`\`ts\n${example}\n\`\`\`\n`] : []),
  ].join('\n')
}

/** The keys that an interface, or the literal part of a type, declares itself. */
function optionsOf(file: string, source: string, type: string): readonly Option[] {
  const { program, comments } = parseSync(file, source)
  const declarations = program.body.map((node) => (node.type === 'ExportNamedDeclaration' ? node.declaration : node))
  const declaration = declarations.find(
    (node): node is TSInterfaceDeclaration | TSTypeAliasDeclaration =>
      (node?.type === 'TSInterfaceDeclaration' || node?.type === 'TSTypeAliasDeclaration') && node.id.name === type,
  )
  if (!declaration) throw new Error(`${file} does not declare ${type}.`)
  return membersOf(declaration).flatMap((member) => {
    if (member.type !== 'TSPropertySignature' || member.key.type !== 'Identifier' || !member.typeAnnotation) return []
    const { start, end } = member.typeAnnotation.typeAnnotation
    const text = plainType(source.slice(start, end))
    if (text === 'never') return []
    const comment = comments.findLast(({ end: until }) => until <= member.start && source.slice(until, member.start).trim() === '')
    return [{ name: member.key.name, type: text, isRequired: !member.optional, ...readComment(comment?.value ?? '') }]
  })
}

function membersOf(declaration: TSInterfaceDeclaration | TSTypeAliasDeclaration): readonly TSSignature[] {
  if (declaration.type === 'TSInterfaceDeclaration') return declaration.body.body
  const parts = declaration.typeAnnotation.type === 'TSIntersectionType' ? declaration.typeAnnotation.types : [declaration.typeAnnotation]
  return parts.flatMap((part) => (part.type === 'TSTypeLiteral' ? part.members : []))
}

/** Types whose names say nothing to readers. */
const spelledOut: Readonly<Record<string, string>> = {
  Services: 'Record<string, ServiceDefinition>',
  'SeedOption<Cluster, Extract<keyof Services, string>> & Seed': 'SeedOption',
  'Record<Bridged, SuiteBridgeOptions>': 'Record<string, SuiteBridgeOptions>',
  IpFamily: "'ipv4' | 'dual'",
  ServiceStorage: "'throwaway' | 'persistent'",
  TextMatch: 'string | RegExp',
  'Record<string, TextMatch>': 'Record<string, string | RegExp>',
}

/** Without what only matters to the compiler. */
function plainType(text: string): string {
  const plain = text
    .replaceAll(/\breadonly |\bReadonly(?=<)/g, '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .replace(/ \| undefined$/, '')
    .replace(/^\((.*)\)$/, '$1')
  const type = withoutBrackets(plain)
  return spelledOut[type] ?? type
}

/** `<Record<string, string>>` is what is left of Readonly<…>. */
function withoutBrackets(type: string): string {
  const inner = type.replace(/(?<!\w)<((?:[^<>]|<(?:[^<>]|<[^<>]*>)*>)*)>/, '$1')
  return inner === type ? type : withoutBrackets(inner)
}

function readComment(comment: string): Pick<Option, 'meaning' | 'fallback' | 'example'> {
  const text = comment.replaceAll(/^\s*\* ?/gm, '').trim()
  const [, meaning = '', tags = ''] = /^(.*?)(?=@default|@example|@throws|$)(.*)$/s.exec(text) ?? []
  const tag = (name: string) => new RegExp(`@${name}\\s+(.*?)(?=\\n@|$)`, 's').exec(tags)?.[1]?.trim()
  return { meaning: meaning.trim().replaceAll(/\s*\n\s*/g, ' '), fallback: tag('default'), example: tag('example') }
}

/** A value as code, words as they are. */
function asCode(fallback: string): string {
  return /^(['[{\d]|true$|false$)/.test(fallback) ? codeSpan(fallback) : fallback
}

function codeSpan(text: string): string {
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``
}

/** Links to the sections whose types a type names. */
function sectionsIn(type: string): string {
  const named = sections.filter(({ types }) => types.some((place) => new RegExp(`\\b${place.split('#')[1]}\\b`).test(type)))
  const links = named.map(({ heading }) => `[${heading}](#${slug(heading)})`)
  return links.length > 0 ? ` (${links.join(', ')})` : ''
}

/** The text of the heading that a link of the docs leads to. */
async function headingOf(link: string): Promise<string> {
  const [page = '', anchor] = link.split('#')
  const headings = [...(await read(`docs/${page}`)).matchAll(/^#+ (.*)$/gm)].map(([, text]) => text!)
  const heading = anchor ? headings.find((text) => slug(text) === anchor) : headings[0]
  if (!heading) throw new Error(`docs/${page} has no heading for #${anchor}.`)
  return heading
}

function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, '')
    .replaceAll(' ', '-')
}

/** docs/cli.md with the usage of each command between its marks. */
export function renderCommands(page: string): string {
  return page.replaceAll(
    /(<!-- usage: ([\w-]+) -->\n).*?(?=<!-- end -->)/gs,
    (_, mark: string, name: string) => mark + (name === 'all' ? commandTable() : renderCommand(name)),
  )
}

function commandTable(): string {
  const rows = Object.entries(commands).map(([name, { summary }]) => `| [\`${name}\`](#${name}) | ${summary} |\n`)
  return `| command | |\n|---|---|\n${rows.join('')}`
}

function renderCommand(name: string): string {
  const definition = commands[name]
  if (!definition) throw new Error(`docs/cli.md has the usage of "${name}", which is no command.`)
  const { summary, args = {}, options = {}, examples } = definition
  const width = Math.max(...Object.keys(examples).map(({ length }) => length))
  const lines = Object.entries(examples).map(([line, meaning]) => `npx vitest-kubernetes ${line.padEnd(width)}   # ${meaning}\n`)
  const rows = Object.entries({ ...args, ...options }).map(([flags, help]) => `| \`${flags}\` | ${help.replaceAll('|', '\\|')} |\n`)
  const table = rows.length > 0 ? `\n| argument or option | |\n|---|---|\n${rows.join('')}` : ''
  return `${summary}.\n\n\`\`\`sh\n${lines.join('')}\`\`\`\n${table}`
}

function read(path: string): Promise<string> {
  return readFile(new URL(`../../${path}`, import.meta.url), 'utf8')
}

if (import.meta.main) {
  const write = (path: string, text: string) => writeFile(new URL(`../../${path}`, import.meta.url), text)
  await write('docs/options.md', await renderOptions())
  await write('docs/cli.md', renderCommands(await read('docs/cli.md')))
}
