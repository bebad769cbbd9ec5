import { formatDuration } from '../support/format.ts'
import { type RunRecord, type SuiteRecord, hasFailed } from './model.ts'
import { timingTable } from './timings.ts'

/** Characters of the report of one suite: GitHub takes 1 MiB of all steps of a job. */
const reportLimit = 8_000

/** Markdown for the summary of a job, as `$GITHUB_STEP_SUMMARY` takes it. */
export function stepSummary({ suites }: RunRecord, relative: (path: string) => string): string {
  const [head = [], ...rows] = timingTable(suites, formatDuration)
  const row = (cells: readonly string[]) => `| ${cells.map(escapeCell).join(' | ')} |`
  const table = [
    row(['', ...head]),
    `|---|---|${'---:|'.repeat(Math.max(0, head.length - 1))}`,
    ...rows.map((cells, index) => row([hasFailed(suites[index]!) ? '❌' : '✅', ...cells])),
  ]
  const failed = suites.filter(hasFailed).map((suite) => {
    const report = suite.bundle?.files.find(({ path }) => path === 'report.txt')?.text ?? ''
    const text = [reasonOf(suite), report.slice(0, reportLimit)].filter(Boolean).join('\n\n')
    const folder = suite.bundle ? `\nEverything else: \`${relative(suite.bundle.folder)}\`\n` : ''
    return `\n<details><summary><b>${escapeMarkup(suite.name)}</b></summary>\n\n${fence(text)}\n${folder}\n</details>\n`
  })
  return `### Kubernetes suites\n\n${table.join('\n')}\n${failed.join('')}\n`
}

/** Lines that GitHub Actions turns into annotations at the test files. */
export function annotations({ suites }: RunRecord, relative: (path: string) => string): readonly string[] {
  return suites.filter(hasFailed).map((suite) => {
    const where = suite.bundle ? `\nState of its cluster: ${relative(suite.bundle.folder)}` : ''
    const properties = `file=${escapeProperty(relative(suite.file))},title=${escapeProperty(`Kubernetes suite "${suite.name}" failed`)}`
    return `::error ${properties}::${escapeData(`${reasonOf(suite).split('\n').slice(0, 5).join('\n')}${where}`)}`
  })
}

function reasonOf({ failure, tests }: SuiteRecord): string {
  if (failure !== undefined) return failure
  const failed = tests.filter(({ state }) => state === 'failed')
  return failed.map(({ name, errors }) => `${name}: ${errors[0]?.split('\n')[0] ?? 'failed'}`).join('\n')
}

function escapeCell(text: string): string {
  return escapeMarkup(text)
    .replaceAll('|', String.raw`\|`)
    .replaceAll('\n', ' ')
}

function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** A fence that nothing in the text can end. */
function fence(text: string): string {
  const longest = Math.max(2, ...(text.match(/`{3,}/g) ?? []).map(({ length }) => length))
  const ticks = '`'.repeat(longest + 1)
  return `${ticks}text\n${text}\n${ticks}`
}

/** https://docs.github.com/actions/reference/workflow-commands-for-github-actions, as @actions/core does it. */
function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
}
