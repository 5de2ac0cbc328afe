import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

/** The browser, and where pictures of the page go for people to look at. */
const { CHROMIUM = '/usr/bin/chromium', SCREENSHOTS = join(tmpdir(), 'dashboard-screenshots') } = process.env

/** What the console says of answers that are no success, and of servers that are away. */
const NETWORK = /^Failed to load resource/

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox']
  })
}

/** A page in a browser, and whatever it does that it should not. */
export interface Visit {
  readonly page: Page
  /** Errors, breaches of the policy for content, and requests to elsewhere. */
  readonly faults: string[]
  /** Methods and paths it has asked for, the latest last. */
  readonly asked: string[]
  close(): Promise<void>
}

/** Opens a page as one who was never there before. */
export async function visit(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {}
): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  const page = await context.newPage()
  const faults: string[] = []
  const asked: string[] = []
  const { origin } = new URL(url)
  page.on('pageerror', error => faults.push(`${error}`))
  page.on('dialog', dialog => {
    faults.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('console', message => {
    const isFault = message.type() === 'error' && !NETWORK.test(message.text())
    if (isFault) faults.push(message.text())
  })
  page.on('request', request => {
    const target = new URL(request.url())
    if (target.protocol !== 'data:' && target.origin !== origin) faults.push(`request to ${target}`)
    asked.push(`${request.method()} ${target.pathname}${target.search}`)
  })
  await page.goto(url)
  return { page, faults, asked, close: () => context.close() }
}

/** Keeps a picture of the whole page. */
export async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(SCREENSHOTS, { recursive: true })
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true })
}
