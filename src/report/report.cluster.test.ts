import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { type Browser, type Page, chromium } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { findChromium } from '../testing/find-chromium.ts'
import { runVitest } from '../testing/run-vitest.ts'

let folder: string
let output: string
const password = 'hunter2-correct-horse'
const read = (path: string) => readFile(join(folder, path), 'utf8')

/** Nothing listens there: what is sent to it fails. */
const proxy = { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: 'http://127.0.0.1:9', HTTPS_PROXY: 'http://127.0.0.1:9', NO_PROXY: 'example.com' }

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'report-'))
  const summary = join(folder, 'summary.md')
  const env = {
    REPORT_FOLDER: join(folder, 'kubernetes'),
    GITHUB_ACTIONS: 'true',
    GITHUB_STEP_SUMMARY: summary,
    GITHUB_WORKSPACE: folder,
    ...proxy,
  }
  const args = ['--reporter=default', '--reporter=junit', `--outputFile.junit=${join(folder, 'junit.xml')}`]
  ;({ output } = await runVitest('report', { env, args }).ended)
}, 240_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

test('prints what took how long, and where the rest is', () => {
  expect(output).toMatch(/^ suite +(?:queue +)?create +import +apply +wait +(?:seed +)?(?:ready +)?tests +teardown +total$/m)
  expect(output).toMatch(/^ shop +(?:(?:\d+ min )?\d+(?:\.\d)? s +){7,9}(?:\d+ min )?\d+(?:\.\d)? s$/m)
  expect(output).toMatch(/^ absent\b/m)
  expect(output).toMatch(/^ Report .*report\.html$/m)
  expect(output).toMatch(/^Everything else: .*report-suite-shop$/m)
})

test('writes down the state of the cluster of the suite that failed', async () => {
  const bundle = 'kubernetes/report-suite-shop'
  const files = (await readdir(join(folder, bundle), { recursive: true })).map((name) => name.replace(/(shop|stock)-\w+-\w+/, '$1-x'))
  expect(files).toEqual(
    expect.arrayContaining([
      ...['report.txt', 'events.txt', 'bridges.txt', 'steps.txt', 'manifests.yaml', 'nodes.log', 'objects/pods.yaml', 'objects/nodes.yaml'],
      ...[
        'logs/default/restarts/app.log',
        'logs/default/restarts/app.previous.log',
        'logs/default/leaky/app.log',
        'logs/default/shop-x/app.log',
      ],
    ]),
  )
  expect(await read(`${bundle}/logs/default/restarts/app.previous.log`)).toBe('no licence, [redacted]\n')
  expect(await read(`${bundle}/bridges.txt`)).toMatch(
    /deployment\/stock answered by server(?: until \S+)?\n.*deployment\/stock {2}GET \/stock\/A-1\?from=shop\n/,
  )
  expect(await read(`${bundle}/report.txt`)).toMatch(
    /default\/restarts {2}1\/1 ready {2}Running {2}1 restart\n {4}app {2}\S+ {2}sha256:\w+ {2}ended with exit code 7 \(Error\)/,
  )
  const times = (await read(`${bundle}/events.txt`)).match(/^\S+/gm)!
  expect(times).toEqual(times.toSorted())
})

test('holds the value of a Secret nowhere, and names that it shares with objects as they are', async () => {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  const texts = await Promise.all(
    names.map(async ({ parentPath, name }) => [name, await readFile(join(parentPath, name), 'utf8')] as const),
  )
  // What a test asserts about is its own: vitest prints it, in the terminal and for JUnit.
  const leaking = texts.filter(([name, text]) => name !== 'junit.xml' && (text.includes(password) || text.includes(btoa(password))))
  expect(leaking.map(([name]) => name)).toEqual([])
  expect(await read('kubernetes/report-suite-shop/logs/default/leaky/app.log')).toBe(
    'connects with [redacted] as shop\n"\\"[redacted]\\""\n',
  )
  const state = /State of the cluster of suite.*?Everything else/s.exec(output)![0]
  expect(state).toContain('Log of default/restarts, container "app" before its restart:\n  no licence, [redacted]\n')
  expect(state).not.toContain(password)
  // It is well: its log is in the folder.
  expect(state).not.toContain('Log of default/leaky')
})

test('writes its figures for machines', async () => {
  const { suites } = JSON.parse(await read('kubernetes/timings.json')) as {
    suites: { name: string; milliseconds: Record<string, number> }[]
  }
  expect(suites).toMatchObject([
    {
      name: 'shop',
      state: 'failed',
      tests: [
        { name: 'answers through the bridge', state: 'passed' },
        { name: 'keeps a secret', state: 'failed' },
        { name: 'goes on', state: 'passed' },
      ],
    },
    { name: 'absent', state: 'failed', tests: [{ name: 'never runs', state: 'skipped' }] },
  ])
  const { create, tests, total } = suites[0]!.milliseconds as { create: number; tests: number; total: number }
  expect(create).toBeGreaterThan(1_000)
  expect(create + tests).toBeLessThan(total)
})

test('sums the run up for GitHub Actions, and annotates what vitest does not', async () => {
  const summary = await read('summary.md')
  expect(summary).toMatch(/^\| ❌ \| shop \| /m)
  expect(summary).toContain('Manifest "./absent.yaml" does not exist')
  expect(output).toMatch(
    /^::error file=\S+report\.suite\.ts,title=Kubernetes suite "shop" failed::keeps a secret: .*%0AState of its cluster: kubernetes\/report-suite-shop$/m,
  )
})

test('gives JUnit what the set-up took, as properties of the first test', async () => {
  expect(await read('junit.xml')).toMatch(
    /name="shop &gt; answers through the bridge".*\n(?:.*\n)*?\s*<property name="kubernetes\.setup" value="(?:queue [^"]*, )?create \d+\.\d s, [^"]*apply [^"]*">/,
  )
})

const executable = findChromium()

// Where tests are run for the project itself, a browser has to be there.
test.skipIf(!executable && !process.env['CI'])('is a page that a browser opens from the file, without any request', async () => {
  await using browser = await launch()
  const page = await browser.newPage({ viewport: { width: 1300, height: 1000 } })
  const problems: string[] = []
  const requests: string[] = []
  page.on('console', (message) => problems.push(message.text()))
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('request', (request) => requests.push(request.url()))
  const url = pathToFileURL(join(folder, 'kubernetes/report.html')).href
  await page.goto(url)

  expect(await page.title()).toBe('✗ 2 failed – vitest-kubernetes')
  const row = (text: string) => page.locator('#suite-0 .row', { hasText: text })
  expect(await durationOf(page, 'cluster k3d cluster')).toBe(await stepDuration('cluster'))
  expect(await durationOf(page, 'apply 6 objects')).toBe(await stepDuration('apply'))
  for (const text of ['answers through the bridge', 'keeps a secret', 'goes on', 'deployment/stock', 'leaky', 'restarts', 'shop-']) {
    await expect.poll(() => row(text).first().isVisible(), { message: text }).toBe(true)
    // The bar has a size that can be seen.
    expect((await row(text).first().locator('.bar').first().boundingBox())!.width, text).toBeGreaterThan(1)
  }

  await page.getByLabel('Search').fill('restarts')
  expect(await row('goes on').isVisible()).toBe(false)
  expect(await row('restarts').first().isVisible()).toBe(true)
  expect(await page.locator('#suite-1').isVisible()).toBe(false)
  await page.getByLabel('Search').fill('')
  await page.getByLabel('Show').selectOption('failed')
  expect(await row('goes on').isVisible()).toBe(false)
  expect(await row('keeps a secret').isVisible()).toBe(true)
  await page.getByLabel('Show').selectOption('')
  await page.getByLabel('events').uncheck()
  expect(await page.locator('#suite-0 [data-kind=events]').isVisible()).toBe(false)

  expect(await page.getByText('logs/default/leaky/app.log').isVisible()).toBe(false)
  await page.getByRole('link', { name: 'keeps a secret' }).click()
  await page.getByText('logs/default/leaky/app.log').click()
  expect(await page.getByText(/^connects with \[redacted\] as shop/).isVisible()).toBe(true)

  const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
  const light = await background()
  await page.getByRole('button', { name: 'Dark or light' }).click()
  expect(await background()).not.toBe(light)

  await page.setViewportSize({ width: 400, height: 800 })
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(400)
  expect((await row('goes on').locator('.bar').boundingBox())!.width).toBeGreaterThan(1)

  expect(problems).toEqual([])
  expect(requests).toEqual([url])
})

async function launch(): Promise<Browser & AsyncDisposable> {
  return chromium.launch({ executablePath: executable!, args: ['--no-sandbox'] })
}

function durationOf(page: Page, text: string): Promise<string | null> {
  return page.locator('#suite-0 .row', { hasText: text }).locator('td').nth(1).textContent()
}

/** As the terminal showed it. */
async function stepDuration(step: string): Promise<string | undefined> {
  return new RegExp(String.raw`^ ✓ shop ${step} .*?(\d+\.\d s|\d+ min \d+ s)$`, 'm').exec(output)?.[1]
}
