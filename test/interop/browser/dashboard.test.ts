import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Managed, ManagementOptions } from '../../../src/management/index.ts'
import { launch, picture, type Visit, visit } from './support/browser.ts'
import { peerId, Site, TOKEN } from './support/site.ts'

// The dashboard in a real browser, as people use it.

const WAIT = { timeout: 10_000, interval: 50 }

let browser: Browser
const sites: Site[] = []
const visits: Visit[] = []

beforeAll(async () => {
  browser = await launch()
})

afterEach(async () => {
  const faults = visits.flatMap(each => each.faults)
  for (const each of visits.splice(0)) await each.close()
  for (const site of sites.splice(0)) await site[Symbol.asyncDispose]()
  expect(faults).toEqual([])
})

afterAll(() => browser.close())

async function createSite(options: Partial<ManagementOptions> = {}, managed: Managed = {}): Promise<Site> {
  const site = new Site(options, managed)
  sites.push(site)
  await site.start()
  return site
}

async function open(site: Site, options: BrowserContextOptions = {}): Promise<Visit> {
  const opened = await visit(browser, site.url, options)
  visits.push(opened)
  return opened
}

async function enterToken(page: Page, token = TOKEN): Promise<void> {
  await page.getByLabel('Token', { exact: true }).fill(token)
  await page.getByRole('button', { name: 'Continue' }).click()
}

/** Opens the page, with the token. */
async function enter(site: Site, options: BrowserContextOptions = {}): Promise<Visit> {
  const opened = await open(site, options)
  await enterToken(opened.page)
  await connectionIs(opened.page, 'Live')
  return opened
}

async function connectionIs(page: Page, state: string | RegExp): Promise<void> {
  await expect.poll(() => page.locator('#connection').innerText(), WAIT).toMatch(new RegExp(state, 'i'))
}

function rows(page: Page): Locator {
  return page.locator('#peers tbody tr')
}

function rowOf(page: Page, peer: string): Locator {
  return page.locator(`#peers tbody tr[data-key="${peer}"]`)
}

/** How far a row is below the edge of what scrolls. */
function topInRegion(row: Locator): Promise<number> {
  return row.evaluate(each => {
    const region = each.closest('.scroll-region')!
    return each.getBoundingClientRect().top - region.getBoundingClientRect().top
  })
}

function shownPeers(page: Page): Promise<string[]> {
  return rows(page).evaluateAll(all => all.map(row => row.getAttribute('data-key')!))
}

describe('the token', () => {
  test('is asked for, kept for the tab, and forgotten', async () => {
    const site = await createSite()
    site.addPeers(3)
    const { page } = await open(site)
    await connectionIs(page, 'Token needed')
    expect(await page.locator('#data').isVisible()).toBe(false)
    expect(await page.getByLabel('Token', { exact: true }).getAttribute('type')).toBe('password')
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('token')
    await picture(page, 'token')

    await enterToken(page, 'a-token-that-is-wrong')
    await expect.poll(() => page.getByRole('alert').first().innerText(), WAIT).toContain('is wrong')

    await enterToken(page)
    await connectionIs(page, '^Live')
    expect(await rows(page).count()).toBe(3)
    const kept = await page.evaluate(() => [
      Object.values({ ...sessionStorage }),
      localStorage.length,
      document.cookie
    ])
    expect(kept).toEqual([[TOKEN], 0, ''])
    expect(await page.content()).not.toContain(TOKEN)

    await page.reload()
    await connectionIs(page, '^Live')

    await page.getByRole('button', { name: 'Forget token' }).click()
    await connectionIs(page, 'Token needed')
    expect(await page.evaluate(() => sessionStorage.length)).toBe(0)
    expect(await page.content()).not.toContain('peer-12D3')
  })

  test('that a server does not have is not asked for, and then nobody steers', async () => {
    const site = await createSite({ authToken: undefined })
    site.addPeers(2)
    const { page, asked } = await open(site)
    await connectionIs(page, '^Live')
    expect(await page.locator('#steering-note').innerText()).toContain('need a server with an authToken')
    const button = rows(page)
      .first()
      .getByRole('button', { name: /^Isolate peer/ })
    expect(await button.getAttribute('aria-disabled')).toBe('true')
    await button.click({ force: true })
    expect(await page.getByRole('dialog').count()).toBe(0)
    expect(await page.locator('#announcer').innerText()).toContain('authToken')
    expect(asked.filter(each => each.startsWith('POST'))).toEqual([])
  })
})

describe('the mode', () => {
  test('is changed, if that is meant', async () => {
    const site = await createSite()
    site.addPeers(1)
    const { page, asked } = await enter(site)
    const { node } = site.made
    const change = page.getByRole('button', { name: 'Change mode' }).first()
    const dialog = page.getByRole('dialog')

    await change.click()
    expect(await dialog.getByRole('radio', { checked: true }).getAttribute('value')).toBe('enforce')
    await dialog.getByRole('radio', { name: /^Off/ }).check()
    await picture(page, 'mode')
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    await change.click()
    // What was chosen and not meant is forgotten.
    expect(await dialog.getByRole('radio', { checked: true }).getAttribute('value')).toBe('enforce')
    await dialog.getByRole('button', { name: 'Change mode' }).click()
    await change.click()
    await page.keyboard.press('Escape')
    await expect.poll(() => dialog.count(), WAIT).toBe(0)
    expect(asked.filter(each => each.startsWith('POST'))).toEqual([])

    await change.click()
    await dialog.getByRole('radio', { name: /^Observe/ }).check()
    await dialog.getByRole('button', { name: 'Change mode' }).click()
    await expect.poll(() => page.locator('#notice').innerText(), WAIT).toBe('The mode is observe.')
    expect(node.mode).toBe('observe')
    await expect.poll(() => page.locator('#fact-mode').innerText(), WAIT).toBe('Observe only')
  })

  test('cannot be changed without a token, and is not there without a node', async () => {
    const locked = await createSite({ authToken: undefined })
    const { page } = await open(locked)
    await connectionIs(page, '^Live')
    const change = page.getByRole('button', { name: 'Change mode' })
    expect(await change.getAttribute('aria-disabled')).toBe('true')
    await change.click({ force: true })
    expect(await page.getByRole('dialog').count()).toBe(0)
    expect(await page.locator('#announcer').innerText()).toContain('authToken')

    const { page: other } = await enter(await createSite({}, { bitswap: undefined }))
    expect(await other.locator('#fact-mode').innerText()).toBe('no libp2p node')
    expect(await other.getByRole('button', { name: 'Change mode' }).count()).toBe(0)
  })
})

describe('the service', () => {
  test('is shown with totals, trends and alerts', async () => {
    const site = await createSite()
    site.addPeers(40)
    const { page } = await enter(site)
    expect(await page.title()).toBe('Example relay dashboard')
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('Example relay')
    const facts = await page.locator('header .facts').innerText()
    for (const fact of ['OK', 'Enforce', '1.2.3', 's']) expect(facts).toContain(fact)
    expect(await page.locator('#alerts').innerText()).toMatch(
      /Share of circuits that are open: .* %, limit 3.0 %/
    )
    const peers = page.locator('.tile', { hasText: 'healthy,' })
    expect(await peers.locator('.value').innerText()).toBe('40')
    expect(await peers.getByRole('img').getAttribute('aria-label')).toMatch(/^Peers: from 40 to 48, last/)
    expect(await page.locator('#trends-note').innerText()).toBe(
      'Lines show the last 10 min, in steps of 10 s.'
    )
    // What is not known leaves a gap.
    const line = page.locator('.tile', { hasText: 'Answer time' }).locator('.line')
    expect((await line.getAttribute('d'))!.match(/M/g)!.length).toBeGreaterThan(1)
    await picture(page, 'dashboard')
  })

  test('is shown without trends if no history is kept, and that is asked once', async () => {
    const site = await createSite({}, { history: undefined })
    site.addPeers(3)
    const { page, asked } = await enter(site)
    // It would be asked for every ten seconds.
    await page.waitForTimeout(10_000)
    site.made.protection.isolate(peerId(1))
    await expect.poll(() => rowOf(page, peerId(1)).innerText(), WAIT).toContain('Isolated')
    expect(await page.locator('.trend:visible').count()).toBe(0)
    expect(await page.locator('#trends-note').isVisible()).toBe(false)
    expect(asked.filter(each => each.includes('/history'))).toHaveLength(1)
  })

  test('is announced when it changes, and only then', async () => {
    const site = await createSite()
    site.addPeers(3)
    const { page } = await enter(site)
    expect(await page.locator('#announcer').innerText()).toBe('')
    site.made.protection.trip(peerId(1))
    await expect.poll(() => page.locator('#announcer').innerText(), WAIT).toContain('Open circuits: 1.')
  })

  test('without peers, and without a node, says so', async () => {
    const empty = await enter(await createSite())
    expect(await empty.page.locator('#no-peers').innerText()).toMatch(/^No peers yet/)
    expect(await empty.page.locator('#no-alerts').innerText()).toBe('No active alerts.')
    await expect
      .poll(() => empty.page.locator('#no-events').innerText(), WAIT)
      .toBe('Nothing has happened yet.')
    await picture(empty.page, 'no-peers')
    const none = await enter(await createSite({}, { bitswap: undefined, channels: [] }))
    expect(await none.page.locator('#peers-section').isVisible()).toBe(false)
    expect(await none.page.locator('#no-endpoints').innerText()).toContain('No pools or channels')
    expect(await none.page.locator('#no-totals').isVisible()).toBe(true)
    expect(none.asked.filter(each => each.includes('bitswap'))).toEqual([])
    await picture(none.page, 'nothing-managed')
  })
})

describe('peers', () => {
  test('are sorted by whatever the server can sort by', async () => {
    const site = await createSite()
    site.addPeers(40)
    const { page, asked } = await enter(site)
    const header = page.getByRole('columnheader', { name: 'Requests' })
    await header.getByRole('button').click()
    await expect.poll(() => header.getAttribute('aria-sort'), WAIT).toBe('descending')
    const requests = async () => {
      const texts = await page.locator('#peers tbody td:nth-child(6)').allInnerTexts()
      return texts.map(Number)
    }
    await expect.poll(async () => (await requests())[0], WAIT).toBe(7)
    expect(await requests()).toEqual((await requests()).toSorted((one, other) => other - one))
    await header.getByRole('button').click()
    await expect.poll(async () => (await requests())[0], WAIT).toBeLessThan(2)
    expect(await header.getAttribute('aria-sort')).toBe('ascending')
    expect(await page.locator('#peers th[aria-sort]').count()).toBe(1)
    expect(asked.findLast(each => each.includes('/peers?'))).toContain('sort=requests&reverse=true')
  })

  test('are filtered and searched for', async () => {
    const site = await createSite()
    site.addPeers(40)
    const { page } = await enter(site)
    await page.getByRole('combobox', { name: 'Circuit' }).selectOption('OPEN')
    await expect.poll(() => shownPeers(page), WAIT).toEqual(expect.arrayContaining([peerId(8), peerId(12)]))
    expect(await rows(page).count()).toBe(2)
    await page.getByRole('button', { name: 'Clear filters' }).click()
    await expect.poll(() => rows(page).count(), WAIT).toBe(40)
    await page.getByRole('combobox', { name: 'Connection' }).selectOption('false')
    await expect.poll(() => rows(page).count(), WAIT).toBe(14)
    await page.getByLabel('Part of the peer id').fill('000007f')
    await expect
      .poll(() => page.locator('#no-peers').innerText(), WAIT)
      .toBe('No peer matches these filters.')
    await page.getByRole('combobox', { name: 'Connection' }).selectOption('')
    await expect.poll(() => shownPeers(page), WAIT).toEqual([peerId(7)])
    expect(await page.locator('#page-position').innerText()).toBe('Page 1 of 1, 1 peer')
  })

  test('are isolated and released, if that is meant', async () => {
    const site = await createSite()
    site.addPeers(3)
    const { page, asked } = await enter(site)
    const row = rowOf(page, peerId(1))
    const isIsolated = () => site.made.protection.getPeerStatus(peerId(1))!.isIsolated
    const dialog = page.getByRole('dialog')

    await row.getByRole('button', { name: `Isolate peer ${peerId(1)}` }).click()
    expect(await dialog.innerText()).toContain(peerId(1))
    await picture(page, 'confirmation')
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    await row.getByRole('button', { name: /^Isolate/ }).click()
    await page.keyboard.press('Escape')
    await expect.poll(() => dialog.count(), WAIT).toBe(0)
    expect(asked.filter(each => each.startsWith('POST'))).toEqual([])

    await row.getByRole('button', { name: /^Isolate/ }).click()
    await dialog.getByRole('button', { name: 'Isolate' }).click()
    await expect.poll(() => page.locator('#notice').innerText(), WAIT).toBe(`Peer ${peerId(1)} is isolated.`)
    expect(isIsolated()).toBe(true)
    await expect.poll(() => row.innerText(), WAIT).toContain('Isolated')
    const release = row.getByRole('button', { name: `Release peer ${peerId(1)}` })
    await release.click()
    await dialog.getByRole('button', { name: 'Release' }).click()
    await expect.poll(() => page.locator('#notice').innerText(), WAIT).toContain('released')
    expect(isIsolated()).toBe(false)
  })

  test('that cannot be isolated are not, and it is said why', async () => {
    const site = await createSite()
    site.made.protection.admit('nobody').settle('success')
    const { page } = await enter(site)
    await rows(page).getByRole('button', { name: 'Isolate peer nobody' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Isolate' }).click()
    await expect
      .poll(() => page.locator('#notice').innerText(), WAIT)
      .toBe('nobody could not be isolated: nobody is no peer id')
  })

  test('that recover are shown with what of the calls is let through', async () => {
    const site = await createSite()
    const { protection, clock } = site.made
    protection.trip(peerId(1))
    clock.advance(2_000)
    protection.admit(peerId(1)).settle('success')
    const { page } = await enter(site)
    expect(await rows(page).first().innerText()).toContain('Recovering, 50.0 % let through')
  })

  test('are explained', async () => {
    const site = await createSite()
    site.addPeers(12)
    const { page } = await enter(site, { permissions: ['clipboard-read', 'clipboard-write'] })
    await rowOf(page, peerId(8)).locator('td').nth(4).click()
    const dialog = page.getByRole('dialog')
    await expect.poll(() => dialog.innerText(), WAIT).toContain('Circuit open: every call is rejected.')
    for (const said of [
      peerId(8),
      'What this stands on',
      'last opened',
      'What would change it',
      'Pending wants'
    ])
      expect(await dialog.innerText()).toContain(said)
    await picture(page, 'details')
    await dialog.getByRole('button', { name: 'Copy peer id' }).click()
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText()), WAIT).toBe(peerId(8))
    await dialog.getByRole('button', { name: 'Close' }).click()
    await rowOf(page, peerId(2)).getByRole('button', { name: /^Copy/ }).click()
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText()), WAIT).toBe(peerId(2))
    expect(await dialog.count()).toBe(0)
  })

  test('stay where they are while they are read: focus, scroll position, selection and rows', async () => {
    const site = await createSite()
    site.addPeers(40)
    const { page } = await enter(site)
    const row = rowOf(page, peerId(20))
    await row.locator('button.peer-id').focus()
    await page.evaluate(() => {
      document.querySelector('#peers-region')!.scrollTop = 300
    })
    // It is in the middle of what is seen, and stays there.
    const seen = rows(page).nth(10)
    const seenPeer = (await seen.getAttribute('data-key'))!
    const top = await topInRegion(seen)
    const before = await row.elementHandle()
    // It becomes the worst of all, and comes first.
    site.made.protection.trip(peerId(20))
    await expect.poll(async () => (await shownPeers(page)).indexOf(peerId(20)), WAIT).toBeLessThan(3)
    await expect.poll(() => row.innerText(), WAIT).toContain('Open')
    expect(
      await before!.evaluate(
        (element, id) => element.isConnected && element.getAttribute('data-key') === id,
        peerId(20)
      )
    ).toBe(true)
    expect(await page.evaluate(() => document.activeElement?.closest('tr')?.getAttribute('data-key'))).toBe(
      peerId(20)
    )
    await expect.poll(() => topInRegion(rowOf(page, seenPeer)), WAIT).toBeCloseTo(top, -0.5)

    await page.evaluate(() => {
      const cell = document.querySelector('#peers tbody tr:nth-child(9) td:nth-child(6)')!
      document.getSelection()!.selectAllChildren(cell)
    })
    const selected = await page.evaluate(() => String(document.getSelection()))
    site.made.protection.trip(peerId(25))
    await expect.poll(() => page.locator('#peers-held').isVisible(), WAIT).toBe(true)
    expect(await page.evaluate(() => String(document.getSelection()))).toBe(selected)
    await page.evaluate(() => document.getSelection()!.removeAllRanges())
    await expect.poll(() => rowOf(page, peerId(25)).innerText(), WAIT).toContain('Open')
    expect(await page.locator('#peers-held').isVisible()).toBe(false)
  })

  test('are shown page by page, however many there are', async () => {
    const site = await createSite()
    site.addPeers(10_000)
    const { page, asked } = await enter(site)
    expect(await page.locator('#page-position').innerText()).toBe('Page 1 of 200, 10,000 peers')
    const nodes = () => page.evaluate(() => document.querySelectorAll('*').length)
    expect(await rows(page).count()).toBe(50)
    await expect.poll(() => page.locator('#timeline > li').count(), WAIT).toBe(200)
    const first = await nodes()
    expect(first).toBeLessThan(4_000)
    await picture(page, 'many-peers')

    const questions = () => asked.filter(each => each.includes('/bitswap/peers?')).length
    const before = questions()
    const previous = await shownPeers(page)
    await page.getByRole('button', { name: 'Next' }).click()
    await expect.poll(() => page.locator('#page-position').innerText(), WAIT).toContain('Page 2 of 200')
    expect((await shownPeers(page)).filter(peer => previous.includes(peer))).toEqual([])
    // One for the page, and at most one for the turn of the clock.
    expect(questions() - before).toBeLessThanOrEqual(2)
    expect(await rows(page).count()).toBe(50)
    expect(await nodes()).toBeLessThan(first + 100)
  })

  test('that change all the time are asked for every two seconds at most', async () => {
    const site = await createSite()
    site.addPeers(10_000)
    const { page, asked } = await enter(site)
    const times: number[] = []
    page.on('request', request => {
      if (request.url().includes('/bitswap/peers?')) times.push(performance.now())
    })
    for (let number = 0; number < 60; number++) {
      site.made.protection.trip(peerId(100 + number))
      await page.waitForTimeout(100)
    }
    const gaps = times.slice(1).map((time, index) => time - times[index]!)
    expect(times.length).toBeGreaterThanOrEqual(2)
    expect(times.length).toBeLessThanOrEqual(4)
    expect(Math.min(...gaps)).toBeGreaterThan(1_800)
    expect(asked.filter(each => each.includes('/events'))).toHaveLength(1)
  })
})

test('a page that nobody looks at asks for nothing, until somebody does', async () => {
  const site = await createSite()
  const { page, asked } = await enter(site)
  const setHidden = (isHidden: boolean) =>
    page.evaluate(value => {
      Object.defineProperty(document, 'hidden', { value, configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
    }, isHidden)
  await setHidden(true)
  await page.waitForTimeout(1_000)
  const before = asked.length
  site.made.protection.isolate(peerId(1))
  await page.waitForTimeout(6_000)
  expect(asked.slice(before)).toEqual([])
  await setHidden(false)
  await expect.poll(() => rowOf(page, peerId(1)).count(), WAIT).toBe(1)
  await expect.poll(() => page.locator('#timeline').innerText(), WAIT).toContain('Isolated')
})

describe('endpoints', () => {
  test('are shown with what is known of them, isolated and released', async () => {
    const site = await createSite()
    const { relay } = site
    relay.node('a.example').conduct = { fails: () => new Error('the disk is full') }
    await relay.ends(relay.read())
    const { page } = await enter(site)
    const table = page.locator('#endpoints')
    const row = table.locator('tbody tr', { hasText: 'b.example:8332' })
    expect(await table.locator('tbody tr').count()).toBe(3)
    expect(await table.innerText()).toContain('the disk is full')
    expect(await page.locator('#channels').innerText()).toMatch(/^Channel 1: healthy, height/)
    await row.getByRole('button', { name: 'Isolate endpoint b.example:8332' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Isolate' }).click()
    await expect.poll(() => row.innerText(), WAIT).toContain('Isolated')
    expect(relay.channel.getStatus().nodes[1]!.state).toBe('isolated')
    await picture(page, 'endpoints')
    await row.getByRole('button', { name: /^Release/ }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Release' }).click()
    await expect.poll(() => row.innerText(), WAIT).not.toContain('Isolated')
    expect(relay.channel.getStatus().nodes[1]!.state).not.toBe('isolated')
  })
})

test('pools are among the endpoints, and cannot be isolated', async () => {
  const answerTimes = { count: 0, sumMs: 0, buckets: [] }
  const connection = {
    lastActivity: 0,
    reconnects: 0,
    errors: 2,
    p95LatencyMs: 25,
    isHealthy: true,
    isIdle: false
  }
  const status = {
    endpoint: 'pool.example:50002',
    isHealthy: true,
    isDraining: false,
    activeConnections: 1,
    idleConnections: 0,
    opening: 0,
    waiting: 2,
    maxConnections: 4,
    totalReconnects: 0,
    totalErrors: 2,
    poolP95LatencyMs: 25,
    answerTimes,
    circuit: { circuitState: 'HALF_OPEN' },
    connections: [{ connectionId: 'one', ...connection }],
    lastUpdated: 0
  }
  const pool = {
    namespace: 'pool',
    getStatus: () => status,
    getSummary: () => status,
    onEvent: () => () => {}
  }
  const site = await createSite({}, { pools: [pool as never] })
  const { page } = await enter(site)
  const row = page.locator('#endpoints tbody tr', { hasText: 'pool.example:50002' })
  for (const said of [
    'Pool',
    '1 of 4 open',
    '2 waiting',
    'Half-open',
    'Healthy',
    '25 ms (p95)',
    'Not for pools'
  ])
    expect(await row.innerText()).toContain(said)
  expect(await row.getByRole('button').count()).toBe(0)
})

describe('the timeline', () => {
  const entries = (page: Page) => page.locator('#timeline > li:visible')

  test('shows what happened and what happens, can be paused and filtered', async () => {
    const site = await createSite()
    site.addPeers(5)
    const { page } = await enter(site)
    // What was before the page is told as well.
    await expect.poll(() => page.locator('#timeline').innerText(), WAIT).toContain('Circuit opened')
    site.made.protection.isolate(peerId(1))
    await expect.poll(() => entries(page).first().innerText(), WAIT).toContain('Isolated')
    expect(await entries(page).first().locator('code').getAttribute('title')).toBe(peerId(1))

    const before = await entries(page).count()
    const pause = page.getByRole('button', { name: 'Pause' })
    await pause.click()
    expect(await pause.getAttribute('aria-pressed')).toBe('true')
    site.made.protection.release(peerId(1))
    await expect
      .poll(() => page.locator('#timeline-waiting').innerText(), WAIT)
      .toMatch(/^Paused, [1-9]\d* new$/)
    expect(await entries(page).count()).toBe(before)
    await pause.click()
    await expect.poll(() => entries(page).first().innerText(), WAIT).toContain('Released')

    const filter = page.getByLabel('Show only what contains')
    await filter.fill('RELEASED')
    await expect.poll(() => entries(page).count(), WAIT).toBe(1)
    await filter.fill('nothing of that kind')
    expect(await page.locator('#no-events').innerText()).toBe('Nothing contains that.')
    await filter.fill('')
    await picture(page, 'timeline')
  })

  test('ends after two hundred', async () => {
    const site = await createSite()
    const { page } = await enter(site)
    for (let number = 0; number < 300; number++) site.made.protection.isolate(peerId(number))
    await expect.poll(() => page.locator('#timeline > li').count(), WAIT).toBe(200)
    expect(await entries(page).first().locator('code').getAttribute('title')).toBe(peerId(299))
  })
})

describe('a server that goes away', () => {
  test('is waited for, with what was last known dated, and what was missed is told then', async () => {
    const site = await createSite()
    site.addPeers(5)
    const { page } = await enter(site)
    const port = await site.stop()
    await connectionIs(page, /^Reconnecting… last seen \d+ s ago$/)
    expect(await page.locator('#outage').innerText()).toMatch(
      /^What you see is as of \d\d:\d\d:\d\d\. The server does not answer\.$/
    )
    expect(await page.locator('#announcer').innerText()).toBe('The connection to the server is lost.')
    expect(await rows(page).count()).toBe(5)
    expect(await page.locator('#data').evaluate(data => getComputedStyle(data).filter)).toBe('grayscale(1)')
    await picture(page, 'outage')

    await site.start(port)
    await connectionIs(page, '^Live$')
    expect(await page.locator('#outage').isVisible()).toBe(false)
    site.made.protection.isolate(peerId(2))
    await expect.poll(() => page.locator('#timeline > li').first().innerText(), WAIT).toContain('Isolated')
    await expect.poll(() => rowOf(page, peerId(2)).innerText(), WAIT).toContain('Isolated')
  })

  test('before the page has seen anything is told from one without data', async () => {
    const site = await createSite({ authToken: undefined })
    const { page } = await open(site)
    await page.route('**/status', route => route.abort())
    await page.reload()
    await connectionIs(page, '^Reconnecting…$')
    expect(await page.locator('#data').isVisible()).toBe(false)
    expect(await page.locator('#outage').innerText()).toContain('There is no connection yet.')
  })

  test('and comes back with another token asks for it', async () => {
    const site = await createSite()
    const { page } = await enter(site)
    const port = await site.stop()
    const other = new Site({ authToken: 'another-token-of-some-length' })
    sites.push(other)
    await other.start(port)
    await connectionIs(page, 'Token needed')
    expect(await page.locator('#data').isVisible()).toBe(false)
    await enterToken(page, 'another-token-of-some-length')
    await connectionIs(page, '^Live')
  })
})

test('what others say is text, whatever is in it', async () => {
  const markup = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
  const site = await createSite({ serviceName: markup })
  const peer = `peer-${markup}`
  site.made.protection.admit(peer).settle('success')
  site.made.protection.trip(peer)
  site.relay.node('a.example').conduct = { fails: () => new Error(markup) }
  await site.relay.ends(site.relay.read())
  const { page } = await enter(site)
  expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe(markup)
  expect(await page.locator('#endpoints .last-error', { hasText: markup }).count()).toBe(1)
  await expect.poll(() => page.locator('#timeline').innerText(), WAIT).toContain('Circuit opened')
  await rows(page).first().locator('button.peer-id').click()
  await expect.poll(() => page.getByRole('dialog').innerText(), WAIT).toContain('Circuit open')
  expect(await page.locator('#details-peer').innerText()).toBe(peer)
  await page.keyboard.press('Escape')
  await rows(page)
    .first()
    .getByRole('button', { name: /^Isolate/ })
    .click()
  await page.getByRole('dialog').getByRole('button', { name: 'Isolate' }).click()
  await expect.poll(() => page.locator('#notice').innerText(), WAIT).toContain(markup)
  await picture(page, 'markup')
  expect(await page.locator('img, script:not([src])').count()).toBe(0)
})

describe('by keyboard alone', () => {
  const focused = (page: Page) =>
    page.evaluate(() => {
      const { activeElement: element } = document
      return element?.getAttribute('aria-label') ?? element?.textContent?.trim() ?? ''
    })

  /** Presses a key until something has the focus, and tells how often that was. */
  async function press(page: Page, key: string, until: string | RegExp): Promise<void> {
    for (let presses = 0; presses < 60; presses++) {
      await page.keyboard.press(key)
      if ((await focused(page)).match(until)) return
    }
    throw new Error(`${key} never leads to ${until}`)
  }

  test('everything can be done', async () => {
    const site = await createSite()
    site.addPeers(4)
    const { page } = await open(site)
    await connectionIs(page, 'Token needed')
    await page.keyboard.type(TOKEN)
    await page.keyboard.press('Enter')
    await connectionIs(page, '^Live')
    await page.evaluate(() => (document.activeElement as HTMLElement).blur())

    await press(page, 'Tab', /^Skip to content$/)
    expect(
      await page.locator('.skip-link').evaluate(link => link.getBoundingClientRect().left)
    ).toBeGreaterThan(0)
    await page.keyboard.press('Enter')
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('main')

    await press(page, 'Tab', /^Latency$/)
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle)
    expect(outline).toBe('solid')
    await page.keyboard.press('Space')
    const latency = page.locator('#peers').getByRole('columnheader', { name: 'Latency' })
    await expect.poll(() => latency.getAttribute('aria-sort'), WAIT).toBe('descending')
    expect(await focused(page)).toBe('Latency')

    await press(page, 'Tab', /^peer-1…/)
    await page.keyboard.press('Enter')
    await expect.poll(() => page.getByRole('dialog').innerText(), WAIT).toContain('What this stands on')
    await page.keyboard.press('Escape')
    expect(await focused(page)).toMatch(/^peer-1…/)

    await press(page, 'Tab', /^Isolate peer/)
    const [, peer] = (await focused(page)).match(/^Isolate peer (.+)$/)!
    await page.keyboard.press('Enter')
    // The one that changes nothing is first.
    expect(await focused(page)).toBe('Cancel')
    await press(page, 'Tab', /^Isolate$/)
    await page.keyboard.press('Enter')
    await expect.poll(() => site.made.protection.getPeerStatus(peer!)?.isIsolated, WAIT).toBe(true)
    await expect.poll(() => focused(page), WAIT).toBe(`Release peer ${peer}`)

    await press(page, 'Tab', /^Pause$/)
    await page.keyboard.press('Space')
    expect(await page.locator('#timeline-pause').getAttribute('aria-pressed')).toBe('true')
  })
})

test('without motion nothing moves', async () => {
  const site = await createSite()
  const { page } = await open(site, { reducedMotion: 'reduce' })
  const durations = await page.evaluate(() =>
    [...document.querySelectorAll('*')].map(each => getComputedStyle(each).transitionDuration)
  )
  expect(new Set(durations)).toEqual(new Set(['0s']))
})
