import { formatTable } from '../support/table.ts'
import type { Command } from './command.ts'

export function formatHelp(commands: readonly (readonly [string, Command])[]): string {
  const rows = commands.map(([name, { usage, summary }]) => [`  ${`vitest-kubernetes ${name} ${usage}`.trimEnd()}`, summary])
  return [
    'Looks after the clusters of vitest-kubernetes on this machine.',
    '',
    withoutHead(rows),
    '',
    'Every command takes --json and --help. Exit codes: 0 done, 1 failed, 2 a command line that cannot be meant.',
  ].join('\n')
}

export function formatCommandHelp(name: string, { summary, usage, options }: Command): string {
  const rows = Object.entries(options).map(([option, { short, value, help }]) => [
    `  ${short ? `-${short}, ` : '    '}--${option}${value ? ` <${value}>` : ''}`,
    help,
  ])
  return [`Usage: vitest-kubernetes ${`${name} ${usage}`.trimEnd()} [options]`, '', summary, '', withoutHead(rows)].join('\n')
}

function withoutHead(rows: readonly (readonly string[])[]): string {
  return formatTable(['', ''], rows).split('\n').slice(1).join('\n')
}
