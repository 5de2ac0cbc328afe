import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { launch, picture, type Visit, visit } from './support/browser.ts'
import { Site, TOKEN } from './support/site.ts'

const WAIT = { timeout: 20_000, interval: 50 }

let browser: Browser
let site: Site
let opened: Visit

beforeAll(async () => {
  browser = await launch()
})

afterEach(async () => {
  const { faults } = opened
  await opened.close()
  await site[Symbol.asyncDispose]()
  expect(faults).toEqual([])
})

afterAll(() => browser.close())

async function open(path: string, authToken: string | undefined): Promise<Visit> {
  site = new Site({ authToken })
  await site.start()
  opened = await visit(browser, site.url + path)
  return opened
}

test('shows what the API is to who has the token, and uses it', async () => {
  const { page } = await open('/docs', TOKEN)
  // The dashboard asks for the token, and leads back.
  await page.getByLabel('Token', { exact: true }).fill(TOKEN)
  await page.keyboard.press('Enter')
  const operation = page.locator('.opblock', { hasText: '/api/v1/alerts' })
  await operation.waitFor({ timeout: WAIT.timeout })
  expect(new URL(page.url()).pathname).toBe('/docs')
  await picture(page, 'docs')
  await operation.click()
  await operation.getByRole('button', { name: 'Try it out' }).click()
  await operation.getByRole('button', { name: 'Execute' }).click()
  await expect.poll(() => operation.locator('.live-responses-table').innerText(), WAIT).toContain('"alerts"')
})

test('takes another token by its own form', async () => {
  const { page } = await open('/', TOKEN)
  await page.getByLabel('Token', { exact: true }).fill(TOKEN)
  await page.keyboard.press('Enter')
  await page.getByRole('link', { name: 'API documentation' }).click()
  await page.getByRole('button', { name: 'Authorize' }).click({ timeout: WAIT.timeout })
  await page.locator('.auth-container input').fill('some-other-token')
  await page.locator('.auth-btn-wrapper').getByRole('button', { name: 'Apply' }).click()
  await page.locator('.auth-btn-wrapper').getByRole('button', { name: 'Close' }).click()
  const sent = page.waitForRequest(`${site.url}/api/v1/alerts`)
  const operation = page.locator('.opblock', { hasText: '/api/v1/alerts' })
  await operation.click()
  await operation.getByRole('button', { name: 'Try it out' }).click()
  await operation.getByRole('button', { name: 'Execute' }).click()
  expect((await sent).headers()['x-auth-token']).toBe('some-other-token')
})

test('needs no token where there is none', async () => {
  const { page } = await open('/docs', undefined)
  await page.locator('.opblock').first().waitFor({ timeout: WAIT.timeout })
  expect(new URL(page.url()).pathname).toBe('/docs')
})
