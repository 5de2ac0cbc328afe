import { beforeAll, expect, test } from 'vitest'
import { byKind, lateGrowth } from './support/figures.ts'
import { leftIn, type Soaked, type SoakOptions, soak } from './support/soak.ts'

interface Settings extends SoakOptions {
  readonly timeoutMs: number
  /** How much memory may grow from the third quarter to the last, in bytes. */
  readonly heapGrowth: number
  readonly rssGrowth: number
}

const MIB = 2 ** 20

const short: Settings = {
  faults: 300,
  sites: 4,
  seed: 1,
  timeoutMs: 120_000,
  heapGrowth: 0.75 * MIB,
  // Garbage collection has not come to rest by then.
  rssGrowth: Infinity
}

const long: Settings = {
  faults: 10_000,
  sites: 4,
  seed: 7,
  timeoutMs: 60 * 60_000,
  heapGrowth: 0.5 * MIB,
  rssGrowth: 16 * MIB
}

// The long one takes ten minutes, and prints its figures: `SOAK=long npm run test:interop -- --project relay soak`.
const { SOAK } = process.env
const isLong = SOAK === 'long'
const settings = isLong ? long : short

/** Connections of each site: four to each of three nodes, and eight to the relay. */
const CONNECTIONS = 3 * 4 + 8

let soaked: Soaked

beforeAll(async () => {
  soaked = await soak(settings)
  const { outcomes, ...figures } = soaked
  if (isLong) console.log(byKind(outcomes), figures)
}, settings.timeoutMs)

test('more than 99 % of faults, of nodes and of relays, are recovered from without help, within 5 s', () => {
  expect(soaked.outcomes.length).toBeGreaterThanOrEqual(settings.faults)
  for (const outcomes of Map.groupBy(soaked.outcomes, outcome => outcome.of).values()) {
    const lost = outcomes.filter(({ hasRecovered }) => !hasRecovered)
    expect(lost.length, JSON.stringify(byKind(lost))).toBeLessThan(0.01 * outcomes.length)
  }
})

test('faults are felt', () => {
  const { events, retries, failedExchanges, reconnects } = soaked.tally
  const least = settings.faults / 10
  expect(events['node:suspect']).toBeGreaterThan(least)
  expect(events['node:up']).toBeGreaterThan(least)
  expect(retries).toBeGreaterThan(least)
  expect(failedExchanges).toBeGreaterThan(least)
  expect(reconnects).toBeGreaterThan(least)
})

test('no read is lost, and no answer is that of another request', () => {
  expect(soaked.tally).toMatchObject({ lost: 0, errors: [], mixedUp: 0 })
})

test('no more connections are open than allowed', () => {
  const most = Math.max(...soaked.during.map(({ openFiles }) => openFiles))
  expect(most - soaked.before.openFiles).toBeLessThanOrEqual(settings.sites * CONNECTIONS)
})

test('memory does not grow', () => {
  expect(lateGrowth(soaked.during, 'heapBytes')).toBeLessThan(settings.heapGrowth)
  expect(lateGrowth(soaked.during, 'rssBytes')).toBeLessThan(settings.rssGrowth)
})

test('no socket and no timer is left when all is closed', () => {
  const { before, drained, after } = soaked
  expect(drained).toEqual({ givenUp: 0, timers: 0 })
  expect(leftIn(after)).toEqual(leftIn(before))
})
