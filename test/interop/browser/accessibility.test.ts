import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type axeCore from 'axe-core'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { launch, picture, type Visit, visit } from './support/browser.ts'
import { peerId, Site, TOKEN } from './support/site.ts'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

const WAIT = { timeout: 10_000, interval: 50 }

const looks: Readonly<Record<string, BrowserContextOptions>> = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  'light-360': { colorScheme: 'light', viewport: { width: 360, height: 740 } },
  'dark-360': { colorScheme: 'dark', viewport: { width: 360, height: 740 } }
}

let browser: Browser
let site: Site
let opened: Visit

beforeAll(async () => {
  browser = await launch()
})

afterEach(async () => {
  await opened.close()
  await site[Symbol.asyncDispose]()
})

afterAll(() => browser.close())

/** What is wrong with the page as it is now, in words. */
async function violations(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: typeof axeCore }
    const { violations } = await axe.run(document, { resultTypes: ['violations'] })
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`)
    )
  })
}

async function open(options: BrowserContextOptions): Promise<Page> {
  site = new Site()
  await site.start()
  opened = await visit(browser, site.url, options)
  // As a debugger does it: the page itself may load nothing but its own.
  const session = await opened.page.context().newCDPSession(opened.page)
  await session.send('Runtime.evaluate', { expression: AXE })
  return opened.page
}

async function enter(page: Page): Promise<void> {
  await page.getByLabel('Token', { exact: true }).fill(TOKEN)
  await page.keyboard.press('Enter')
  await expect.poll(() => page.locator('#connection').innerText(), WAIT).toBe('Live')
}

describe.each(Object.keys(looks))('nobody is shut out: %s', look => {
  test('of the page that asks for the token', async () => {
    const page = await open(looks[look]!)
    await expect.poll(() => page.locator('#connection').innerText(), WAIT).toBe('Token needed')
    expect(await violations(page)).toEqual([])
    await picture(page, `${look}-token`)
  })

  test('of the page and its dialogs', async () => {
    const page = await open(looks[look]!)
    site.addPeers(40)
    site.relay.node('a.example').conduct = { fails: () => new Error('the disk is full') }
    await site.relay.ends(site.relay.read())
    await enter(page)
    await expect.poll(() => page.locator('#timeline > li').count(), WAIT).toBeGreaterThan(0)
    expect(await violations(page)).toEqual([])
    await picture(page, look)
    // Nothing is wider than the window but what scrolls by itself.
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(
      0
    )

    await page.locator('#peers button.peer-id').first().click()
    await expect.poll(() => page.getByRole('dialog').innerText(), WAIT).toContain('What this stands on')
    expect(await violations(page)).toEqual([])
    await picture(page, `${look}-details`)
    await page.keyboard.press('Escape')
    await page
      .getByRole('button', { name: /^Isolate/ })
      .first()
      .click()
    expect(await violations(page)).toEqual([])
    await picture(page, `${look}-confirmation`)
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Change mode' }).click()
    expect(await violations(page)).toEqual([])
    await picture(page, `${look}-mode`)
    await page.keyboard.press('Escape')
    await page
      .getByRole('button', { name: /^Isolate/ })
      .first()
      .click()
    await page.getByRole('dialog').getByRole('button', { name: 'Isolate' }).click()
    await expect.poll(() => page.locator('#notice').innerText(), WAIT).toContain('isolated')
    expect(await violations(page)).toEqual([])
  })

  test('of the page without a server, and without anything to show', async () => {
    const page = await open(looks[look]!)
    await enter(page)
    expect(await violations(page)).toEqual([])
    site.made.protection.isolate(peerId(1))
    await expect.poll(() => page.locator('#peers tbody tr').count(), WAIT).toBe(1)
    await site.stop()
    await expect.poll(() => page.locator('#connection').innerText(), WAIT).toContain('Reconnecting')
    expect(await violations(page)).toEqual([])
    await picture(page, `${look}-outage`)
  })
})
