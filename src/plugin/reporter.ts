import { stripVTControlCharacters } from 'node:util'

import type { Reporter, SerializedError, TestCase, TestModule, TestSuite } from 'vitest/node'

import type { SuiteRecord } from '../report/model.ts'
import type { Recorder } from '../report/recorder.ts'
import { type ReportOptions, writeReports } from '../report/write-reports.ts'

/** Characters of one error. */
const errorLimit = 20_000

/** Adds vitest's own part to the record of a run, the tests, and writes the reports at its end. */
export function createReporter(recorder: Recorder, options: ReportOptions): Reporter {
  const textOf = ({ name, message, stack, diff }: SerializedError & { readonly diff?: string }) => {
    const text = [stack?.includes(message) ? stack : `${name}: ${message}`, diff].filter(Boolean).join('\n')
    return recorder.redact(stripVTControlCharacters(text)).slice(0, errorLimit)
  }
  return {
    onTestRunStart: () => recorder.reset(),
    onTestCaseResult(test) {
      const suite = suiteOf(recorder, test.parent)
      const { state, errors = [] } = test.result()
      if (!suite || state === 'pending') return
      const { startTime = Date.now(), duration = 0 } = test.diagnostic() ?? {}
      suite.tests.push({ name: nameWithin(test, suite), state, start: startTime, duration, errors: errors.map(textOf) })
    },
    onTestSuiteResult(result) {
      const suite = recorder.find(result.id)
      const [error] = result.errors()
      if (suite && error) suite.failure ??= textOf(error)
    },
    async onTestRunEnd() {
      recorder.run.ended = Date.now()
      await writeReports(recorder, options)
    },
  }
}

function suiteOf(recorder: Recorder, parent: TestSuite | TestModule): SuiteRecord | undefined {
  if (parent.type === 'module') return undefined
  return recorder.find(parent.id) ?? suiteOf(recorder, parent.parent)
}

function nameWithin({ name, parent }: TestCase, suite: SuiteRecord): string {
  const names = [name]
  for (let each: TestSuite | TestModule = parent; each.type === 'suite' && each.id !== suite.id; each = each.parent)
    names.unshift(each.name)
  return names.join(' > ')
}
