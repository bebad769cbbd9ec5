import { cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { type Browser, type Page, chromium } from 'playwright-core'
import { onTestFinished } from 'vitest'
import { describe, expect } from 'vitest-kubernetes'

import { findFreePort } from '../../src/cluster/network/free-port.ts'
import { findChromium } from '../../src/testing/find-chromium.ts'
import { shop } from './shop.stack.ts'

const executablePath = findChromium()

describe.skipIf(!executablePath).withCluster('browser', shop, (test) => {
  let browser: Browser
  test.beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] })
  })
  test.afterAll(() => browser.close())
  test.beforeEach(({ cluster }) => cluster.reset())

  async function open(url: string): Promise<Page> {
    const page = await browser.newPage({ baseURL: url })
    onTestFinished(() => page.close())
    await page.goto('/')
    return page
  }

  /** Orders the first map that the page finds, and sees it come back by the subscription. */
  async function placeOrder(page: Page): Promise<void> {
    await page.getByLabel('City').fill('reykjav')
    const product = page.getByLabel('Products').getByRole('listitem').filter({ hasText: 'Reykjavík' })
    await product.getByRole('button').click()
    await page.getByLabel('Orders').getByText('1 × Reykjavík, IS').waitFor()
    await product.getByText('9 left').waitFor()
  }

  test('an order is placed with the built front end', async ({ cluster }) => {
    await placeOrder(await open(cluster.url('web')))
    expect(await cluster.sql('db', 'select account, quantity from orders')).toEqual([{ account: 'ann', quantity: 1 }])
  })

  test("the code in the editor answers under the cluster's own URL, and is reloaded hot", async ({ cluster }) => {
    const web = await copyOfWeb()
    const port = await findFreePort()
    await using _bridge = await cluster.bridge('deployment/web', {
      command: ['npx', 'vite', '--port', String(port), '--strictPort'],
      cwd: web.folder,
      // In production mode, Vite reloads the whole page.
      env: { exclude: ['NODE_ENV'], set: { GATEWAY_URL: 'http://gateway' } },
      ports: { http: port },
    })
    const page = await open(cluster.url('web'))
    await placeOrder(page)

    await page.evaluate(() => Object.assign(globalThis, { isSamePage: true }))
    await web.edit((source) => source.replace('<h1>Maps of cities</h1>', '<h1>Maps of towns</h1>'))
    await page.getByRole('heading', { name: 'Maps of towns' }).waitFor()
    expect(await page.evaluate(() => 'isSamePage' in globalThis)).toBe(true)
    // What the page had loaded is still there.
    await page.getByLabel('Orders').getByText('1 × Reykjavík, IS').waitFor()
  })
})

/** The front end, to be changed: what is in the repository stays as it is. */
async function copyOfWeb() {
  const folder = await mkdtemp(join(import.meta.dirname, '.web-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await cp(join(import.meta.dirname, 'web'), folder, { recursive: true, filter: (path) => !path.includes('node_modules') })
  const file = join(folder, 'src/App.vue')
  return {
    folder,
    async edit(change: (source: string) => string) {
      // At once, as an editor does: Vite reloads the page for a file that is empty for a moment.
      await writeFile(`${file}.new`, change(await readFile(file, 'utf8')))
      await rename(`${file}.new`, file)
    },
  }
}
