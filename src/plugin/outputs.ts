import { resolve } from 'node:path'

import type { Vitest } from 'vitest/node'

/** Absolute paths of the files and folders that a run writes: they are no source of anything, wherever they lie. */
export function outputsOf({ config }: Pick<Vitest, 'config'>, report: string | undefined): readonly string[] {
  const { root, attachmentsDir, coverage, outputFile, reporters } = config
  const files = [outputFile, ...reporters.map((reporter) => (Array.isArray(reporter) ? outputOf(reporter[1]) : undefined))]
  const named = files.flatMap((each) => (typeof each === 'object' ? Object.values(each) : [each]))
  // The default folder of the html reporter.
  const html = reporters.some((reporter) => (Array.isArray(reporter) ? reporter[0] : reporter) === 'html') ? 'html' : undefined
  const paths = [report, attachmentsDir, coverage.enabled ? coverage.reportsDirectory : undefined, html, ...named]
  return paths.filter((path) => path !== undefined).map((path) => resolve(root, path))
}

function outputOf(options: unknown): string | undefined {
  return (options as { readonly outputFile?: string } | undefined)?.outputFile
}
