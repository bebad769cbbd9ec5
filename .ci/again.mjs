// node .ci/again.mjs REPORT OUTPUT TESTS CHECKS
// Runs each test file that has failed once more, alone on a machine that is quiet by now. What fails twice fails the run, what
// failed once is printed as FLAKY. The last line is "N passed, N failed, N skipped".
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'

const [reportFile, outputFile, tests, checks] = process.argv.slice(2)
const report = read(reportFile)
const output = readFileSync(outputFile, 'utf8')
// An error that nobody catches is in no report; vitest names the file that it came from.
const stray = [...output.matchAll(/This error originated in "([^"]+)" test file/g)].map(([, file]) => file)
const results = new Map((report?.testResults ?? []).map((result) => [relative(process.cwd(), result.name), result]))
const failed = new Set([...results].flatMap(([file, { status }]) => (status === 'failed' ? [file] : [])).concat(stray))
// What inner runs of tests print is theirs: it counts only where nothing else explains the exit code.
const strangers = tests !== '0' && failed.size === 0 && /^.*Unhandled (?:Errors?|Rejection)/m.test(output)
const other = [...(report ? [] : ['no test report']), ...(strangers ? ['an error that no file is named for'] : [])]
if (tests !== '0' && failed.size === 0 && other.length === 0) other.push(`the tests ended with exit code ${tests}`)
if (checks !== '0') other.push('the static checks')

const stillFailed = []
for (const file of failed) {
  console.log(`\n${file} has failed and runs once more.`)
  const folder = mkdtempSync(join(tmpdir(), 'again-'))
  const again = join(folder, 'report.json')
  const { status } = spawnSync('npm', ['test', '--', file, '--reporter=default', '--reporter=json', `--outputFile.json=${again}`], {
    stdio: 'inherit',
  })
  const [second] = read(again)?.testResults ?? []
  rmSync(folder, { recursive: true })
  const first = results.get(file)
  if (second) results.set(file, second)
  if (status === 0) for (const line of describe(first)) console.log(`FLAKY ${file} ${line}`)
  else stillFailed.push(file)
}

const count = (...states) =>
  [...results.values()].flatMap((each) => each.assertionResults).filter(({ status }) => states.includes(status)).length
// A file that could not be set up has no test that failed.
const withoutTest = stillFailed.filter((file) => !results.get(file)?.assertionResults.some(({ status }) => status === 'failed'))
const failures = count('failed') + withoutTest.length + other.length
for (const each of [...stillFailed, ...other]) console.log(`FAILED ${each}`)
console.log(`${count('passed')} passed, ${failures} failed, ${count('pending', 'skipped', 'todo', 'disabled')} skipped`)
process.exitCode = failures > 0 ? 1 : 0

function describe(result) {
  const lines = (result?.assertionResults ?? [])
    .filter(({ status }) => status === 'failed')
    .map(({ fullName, failureMessages }) => `> ${fullName}: ${firstLine(failureMessages?.join('\n'))}`)
  return lines.length > 0 ? lines : [`> ${firstLine(result?.message) || 'an error that nobody caught'}`]
}

function firstLine(text = '') {
  return text.trim().split('\n')[0]
}

function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    console.log(`No test report: ${error.message}`)
    return undefined
  }
}
