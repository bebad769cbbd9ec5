import { appendFile, mkdir, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'

import { formatDuration } from '../support/format.ts'
import { formatTable } from '../support/table.ts'
import { annotations, stepSummary } from './github.ts'
import { renderPage } from './html/page.ts'
import type { Recorder } from './recorder.ts'
import { formatTimings, timingTable } from './timings.ts'

export interface ReportOptions {
  /** What paths in GitHub's reports are relative to. */
  readonly root: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: (text: string) => void
  /** Whether nobody else tells GitHub Actions what failed and where: vitest's own reporter does, with the lines. */
  readonly annotate: boolean
}

/** Everything that is written at the end of a run: the table, the page, the figures, and what GitHub Actions takes. */
export async function writeReports({ run, folder, redact }: Recorder, { root, env, log, annotate }: ReportOptions): Promise<void> {
  if (run.suites.length === 0) return
  const [head = [], ...rows] = timingTable(run.suites, formatDuration)
  log(`\n${indent(formatTable(head, rows, head.map((_, column) => column).slice(1)))}\n`)
  const shown = (path: string) => relative(root, path)
  if (folder) {
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'timings.json'), redact(formatTimings(run, shown)))
    await writeFile(join(folder, 'report.html'), redact(renderPage(run, shown)))
    log(` Report ${relative(process.cwd(), join(folder, 'report.html'))}\n`)
  }
  if (env['GITHUB_ACTIONS'] !== 'true') return
  const fromRoot = (path: string) => relative(env['GITHUB_WORKSPACE'] || root, path)
  if (annotate) for (const line of annotations(run, fromRoot)) log(redact(line))
  const summary = env['GITHUB_STEP_SUMMARY']
  if (summary) await appendFile(summary, redact(stepSummary(run, fromRoot)))
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, ' ')
}
