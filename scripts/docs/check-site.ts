import { glob, readFile, stat } from 'node:fs/promises'
import { type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'

import { type ConsoleMessage, type Page, chromium } from 'playwright-core'

import { findChromium } from '../../src/testing/find-chromium.ts'

// Usage: npm --prefix docs run check [-- --screenshots FOLDER]
// Opens every page of the built site in a Chromium on PATH, as wide as a phone: nothing may be wider than the page, and every link has to
// lead somewhere.

const site = join(import.meta.dirname, '../../docs/.vitepress/dist')
const types: Readonly<Record<string, string>> = {
  ...{ '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json' },
  ...{ '.svg': 'image/svg+xml', '.png': 'image/png', '.woff2': 'font/woff2' },
}
const views = [
  { name: 'phone', width: 400, colorScheme: 'light' },
  { name: 'phone-dark', width: 400, colorScheme: 'dark' },
  { name: 'light', width: 1280, colorScheme: 'light' },
  { name: 'dark', width: 1280, colorScheme: 'dark' },
] as const

interface Visited {
  readonly anchors: readonly string[]
  readonly links: readonly string[]
  readonly problems: readonly string[]
}

const screenshots = process.argv[2] === '--screenshots' ? process.argv[3] : undefined
const executablePath = findChromium()
if (!executablePath) throw new Error('There is no Chromium on PATH.')
const server = await serve()
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
const opened = await Promise.all(
  views.slice(0, screenshots ? views.length : 1).map(async ({ name, width, colorScheme }) => {
    return { name, width, page: await browser.newPage({ viewport: { width, height: 900 }, colorScheme }) }
  }),
)
try {
  const files = await Array.fromAsync(glob('**/*.html', { cwd: site }))
  const pages = files.map((file) => `/${file.replace(/(^|\/)index\.html$|\.html$/, '$1')}`).toSorted()
  const visited = new Map<string, Visited>()
  for (const page of pages) visited.set(page, await visit(page))
  const problems = pages.flatMap((page) => {
    const { links, problems: own } = visited.get(page)!
    return [...own, ...links.filter((link) => !leadsSomewhere(link, visited)).map((link) => `leads nowhere: ${link}`)].map(
      (problem) => `${page}: ${problem}`,
    )
  })
  for (const problem of problems) console.error(problem)
  console.log(`${pages.length} pages, ${problems.length} problems`)
  if (problems.length > 0) process.exitCode = 1
} finally {
  await browser.close()
  server.close()
}

/** The built site, as hosts of static pages with clean URLs serve it. */
async function serve(): Promise<Server> {
  const server = createServer((request, response) => void answer(request.url!, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server

  async function answer(url: string, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(url, 'http://site')
    const file = pathname === '/' ? '/index.html' : extname(pathname) ? pathname : `${pathname}.html`
    const isThere = await stat(join(site, file)).then(
      () => true,
      () => false,
    )
    response.writeHead(isThere ? 200 : 404, { 'content-type': types[extname(file)] ?? 'text/plain' })
    response.end(isThere ? await readFile(join(site, file)) : await readFile(join(site, '404.html')))
  }
}

async function visit(path: string): Promise<Visited> {
  const problems: string[] = []
  let found: Pick<Visited, 'anchors' | 'links'> = { anchors: [], links: [] }
  for (const { name, page, width } of opened) {
    const stop = collectErrors(page, problems)
    await page.goto(origin + path, { waitUntil: 'networkidle' })
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
    if (overflow > 0) problems.push(`${overflow} px wider than ${width} px`)
    if (!(await page.title())) problems.push('has no title')
    found = await page.evaluate(() => ({
      anchors: [...document.querySelectorAll('[id]')].map(({ id }) => id),
      links: [...document.querySelectorAll('a')].map(({ href }) => href),
    }))
    if (screenshots) await page.screenshot({ path: join(screenshots, `${path.slice(1) || 'index'}.${name}.png`), fullPage: true })
    stop()
  }
  return { ...found, problems }
}

function collectErrors(page: Page, problems: string[]): () => void {
  const onConsole = (message: ConsoleMessage) => void (message.type() === 'error' && problems.push(`console: ${message.text()}`))
  const onError = (error: Error) => void problems.push(`error: ${error.message}`)
  page.on('console', onConsole).on('pageerror', onError)
  return () => void page.off('console', onConsole).off('pageerror', onError)
}

function leadsSomewhere(link: string, visited: ReadonlyMap<string, Visited>): boolean {
  if (!link.startsWith(origin)) return true
  const { pathname, hash } = new URL(link)
  const target = visited.get(pathname)
  return target !== undefined && (hash === '' || target.anchors.includes(decodeURIComponent(hash.slice(1))))
}
