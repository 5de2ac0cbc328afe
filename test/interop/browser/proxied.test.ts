import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launch, visit } from './support/browser.ts'
import { ReverseProxy } from './support/reverse-proxy.ts'
import { peerId, Site, TOKEN } from './support/site.ts'

// The pages when a proxy has them in a folder.

const FOLDER = '/nodes/a'
const WAIT = { timeout: 20_000, interval: 50 }

let browser: Browser

beforeAll(async () => {
  browser = await launch()
})

afterAll(() => browser.close())

test('the dashboard and the page of the API work, and ask for nothing that is not in the folder', async () => {
  await using site = new Site()
  await site.start()
  site.addPeers(3)
  await using proxy = new ReverseProxy(FOLDER, site.url)
  const origin = await proxy.start()
  const { page, asked, faults, close } = await visit(browser, `${origin}${FOLDER}/dashboard/`)

  await page.getByLabel('Token', { exact: true }).fill(TOKEN)
  await page.keyboard.press('Enter')
  await expect.poll(() => page.locator('#connection').innerText(), WAIT).toBe('Live')
  const row = page.locator(`#peers tbody tr[data-key="${peerId(1)}"]`)
  await row.getByRole('button', { name: /^Isolate/ }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Isolate' }).click()
  await expect.poll(() => page.locator('#timeline').innerText(), WAIT).toContain('Isolated')
  await row.locator('button.peer-id').click()
  await expect.poll(() => page.locator('#details-content').innerText(), WAIT).not.toBe('')
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click()

  await page.getByRole('link', { name: 'API documentation' }).click()
  const operation = page.locator('.opblock', { hasText: '/api/v1/alerts' })
  await operation.click({ timeout: WAIT.timeout })
  await operation.getByRole('button', { name: 'Try it out' }).click()
  await operation.getByRole('button', { name: 'Execute' }).click()
  await expect.poll(() => operation.locator('.live-responses-table').innerText(), WAIT).toContain('"alerts"')

  // Who comes to the page of the API without the token is led to the dashboard and back.
  await page.evaluate(() => sessionStorage.clear())
  await page.goto(`${origin}${FOLDER}/`)
  await page.goto(`${origin}${FOLDER}/docs`)
  await page.getByLabel('Token', { exact: true }).fill(TOKEN, { timeout: WAIT.timeout })
  await page.keyboard.press('Enter')
  await page.locator('.opblock').first().waitFor({ timeout: WAIT.timeout })
  expect(new URL(page.url()).pathname).toBe(`${FOLDER}/docs`)

  const outside = asked.filter(each => !each.includes(` ${FOLDER}/`))
  expect(outside).toEqual([])
  expect(faults).toEqual([])
  await close()
})
