import { describe, expect, test, vi } from 'vitest'
import { Supplier } from '../../../src/bitswap/fetch/supplier.ts'
import { type Behaviour, type Outcome, type PeerPlan, randomOf, simulate } from './support/simulation.ts'

// The scenarios of the faulty-peer suite, small and in virtual time. A run that fails is repeated by its seed.

const PEERS = 10
const BLOCKS = 100
const SIZE_BYTES = 8_000
const DELAY_MS = 10
const SEEDS = Array.from({ length: 10 }, (_, index) => index + 1)

type Situation = Parameters<NonNullable<PeerPlan['behaviour']>>[0]

/** Peers of which so many, by chance, behave badly. */
function mixed(bad: number, behaviour: (situation: Situation) => Behaviour, seed: number): PeerPlan[] {
  const random = randomOf(seed)
  const places = Array.from({ length: PEERS }, (_, place) => ({ place, at: random() }))
  const chosen = new Set(
    places
      .sort((one, other) => one.at - other.at)
      .slice(0, bad)
      .map(({ place }) => place)
  )
  return Array.from({ length: PEERS }, (_, place) => ({
    delayMs: DELAY_MS,
    ...(chosen.has(place) && { behaviour })
  }))
}

function turning(into: Behaviour, after: number): (situation: Situation) => Behaviour {
  return ({ served }) => (served < after ? 'GOOD' : into)
}

function percentile({ latenciesMs }: Outcome, share: number): number {
  return latenciesMs[Math.floor(share * (latenciesMs.length - 1))]!
}

const bads: Readonly<Record<string, (seed: number) => PeerPlan[]>> = {
  'S1 half are silent': seed => mixed(5, () => 'STALL', seed),
  'S1 half are slow': seed => mixed(5, () => 'SLOW', seed),
  'S1 half lack everything': seed => mixed(5, () => 'DONT_HAVE', seed),
  'S1 half disconnect': seed => mixed(5, () => 'DISCONNECT', seed),
  'S2 nearly all are silent': seed => mixed(9, () => 'STALL', seed),
  'S3 nearly all fall silent at once': seed => mixed(8, turning('STALL', 1), seed),
  'S3 half fall silent later': seed => mixed(5, turning('STALL', 8), seed),
  'S3 nearly all become slow': seed => mixed(8, turning('SLOW', 5), seed),
  'S3 nearly all begin to disconnect': seed => mixed(8, turning('DISCONNECT', 5), seed),
  'S4 nearly all are silent five seconds of six': seed =>
    mixed(8, ({ nowMs }) => (nowMs % 6_000 < 1_000 ? 'GOOD' : 'STALL'), seed),
  'S5 nearly all say they have it and do not send it': seed => mixed(9, () => 'LIE', seed),
  'S7 nearly all drip': seed => mixed(8, () => 'DRIP', seed)
}

describe.each(Object.entries(bads))('%s', (_, peersOf) => {
  test.each(SEEDS)(
    'all blocks arrive, each about once, and no peer that is well is opened: seed %d',
    async seed => {
      const peers = peersOf(seed)
      const outcome = await simulate({ seed, peers, blocks: BLOCKS })
      expect(outcome.delivered).toBe(BLOCKS)
      expect(outcome.sentBlocks).toBeLessThanOrEqual(1.15 * BLOCKS)
      for (const peer of outcome.opened) expect(peers[peer]!.behaviour).toBeDefined()
      for (const { peer } of outcome.faults) expect(peers[peer]!.behaviour).toBeDefined()
    }
  )
})

describe('S0 all are well', () => {
  test.each(SEEDS)(
    'each block is asked for once, besides one of each peer, and nobody is blamed: seed %d',
    async seed => {
      const outcome = await simulate({ seed, peers: mixed(0, () => 'GOOD', seed), blocks: BLOCKS })
      expect(outcome.delivered).toBe(BLOCKS)
      expect(outcome.sentBlocks).toBeLessThan(BLOCKS + PEERS)
      expect(outcome.faults).toEqual([])
      expect(outcome.opened.size).toBe(0)
      // The first block from each peer asks the others whether they have it, too.
      expect(outcome.wants).toBeLessThan(3 * BLOCKS)
    }
  )

  test('the load is spread, once all have been tried out', async () => {
    const blocks = 4 * BLOCKS
    const outcome = await simulate({ seed: 1, peers: mixed(0, () => 'GOOD', 1), blocks })
    const requests = [...outcome.protection.peers()].map(({ counts }) => counts.requests)
    expect(requests).toHaveLength(PEERS)
    expect(Math.min(...requests)).toBeGreaterThan(blocks / PEERS / 4)
  })
})

describe('lines', () => {
  const LARGE = { blocks: 65, sizeBytes: 262_144, limitMs: 60_000 }
  const rates = [300_000, 1_250_000, 5_000_000, 12_500_000]
  const delays = [10, 60, 200]

  /** How long it takes at least, in ms, if all send all the time. */
  function leastMs(peers: readonly PeerPlan[], blocks: number): number {
    const bytesPerS = peers.reduce((sum, peer) => sum + peer.bytesPerS!, 0)
    return (1_000 * blocks * LARGE.sizeBytes) / bytesPerS
  }

  function narrow(seed: number, behaviour?: PeerPlan['behaviour']): PeerPlan[] {
    return mixed(behaviour === undefined ? 0 : 5, behaviour ?? (() => 'GOOD'), seed).map(peer => ({
      ...peer,
      bytesPerS: 1_250_000
    }))
  }

  function different(seed: number): PeerPlan[] {
    const random = randomOf(seed)
    const oneOf = (values: readonly number[]): number => values[Math.floor(random() * values.length)]!
    return Array.from({ length: PEERS }, () => ({ delayMs: oneOf(delays), bytesPerS: oneOf(rates) }))
  }

  test.each(SEEDS)(
    'that are slow are all used, each block once, if all are wanted at once: seed %d',
    async seed => {
      const peers = narrow(seed)
      const outcome = await simulate({ seed, peers, ...LARGE, concurrency: LARGE.blocks })
      expect(outcome.delivered).toBe(LARGE.blocks)
      expect(outcome.totalMs).toBeLessThan(2 * leastMs(peers, LARGE.blocks))
      expect(outcome.sentBlocks).toBeLessThanOrEqual(1.2 * LARGE.blocks)
      expect(outcome.faults).toEqual([])
    }
  )

  test.each(SEEDS)('of which half fall silent hold nobody up for long: seed %d', async seed => {
    const peers = narrow(seed, turning('STALL', 4))
    const outcome = await simulate({ seed, peers, ...LARGE, concurrency: LARGE.blocks })
    expect(outcome.delivered).toBe(LARGE.blocks)
    expect(outcome.totalMs).toBeLessThan(2 * leastMs(peers.slice(5), LARGE.blocks))
    expect(outcome.sentBlocks).toBeLessThanOrEqual(1.15 * LARGE.blocks)
  })

  test.each(SEEDS)(
    'that are as different as can be are used as much as each can take: seed %d',
    async seed => {
      const peers = different(seed)
      const blocks = 257
      const outcome = await simulate({ seed, peers, ...LARGE, blocks, concurrency: blocks })
      expect(outcome.delivered).toBe(blocks)
      expect(outcome.totalMs).toBeLessThan(4 * leastMs(peers, blocks))
      expect(outcome.sentBlocks).toBeLessThanOrEqual(1.15 * blocks)
    }
  )
})

test.each(SEEDS)(
  'S3 a block takes at most three times what most take, and a deadline: seed %d',
  async seed => {
    const well = await simulate({ seed, peers: mixed(0, () => 'GOOD', seed), blocks: BLOCKS })
    const turned = await simulate({ seed, peers: mixed(5, turning('STALL', 8), seed), blocks: BLOCKS })
    expect(percentile(turned, 0.99)).toBeLessThanOrEqual(3 * percentile(well, 0.99) + 250)
  }
)

describe('S6 peers that spoil every n-th block', () => {
  test.each([1, 10])('are all named and opened, and nobody else is: every %d.', async every => {
    const peers = mixed(5, ({ served }) => (served % every === every - 1 ? 'CORRUPT' : 'GOOD'), 3)
    const spoilers = peers.flatMap(({ behaviour }, peer) => (behaviour === undefined ? [] : [peer]))
    const outcome = await simulate({ seed: 3, peers, blocks: 3 * BLOCKS })
    expect(outcome.delivered).toBe(3 * BLOCKS)
    const named = outcome.faults.flatMap(({ peer, fault }) => (fault === 'CORRUPT_BLOCK' ? [peer] : []))
    expect([...new Set(named)].sort()).toEqual(spoilers)
    expect([...outcome.opened].sort()).toEqual(spoilers)
    for (const { peer } of outcome.faults) expect(spoilers).toContain(peer)
  })
})

test.each(SEEDS)(
  'S8 an outage of all peers opens none, and fetching goes on soon after: seed %d',
  async seed => {
    const from = 50
    const to = from + 10_000
    const peers = mixed(PEERS, ({ nowMs }) => (nowMs > from && nowMs < to ? 'STALL' : 'GOOD'), seed)
    const outcome = await simulate({ seed, peers, blocks: BLOCKS })
    expect(outcome.delivered).toBe(BLOCKS)
    expect(outcome.opened.size).toBe(0)
    expect(outcome.totalMs).toBeLessThan(to + 8_000)
    expect(outcome.sentBlocks * SIZE_BYTES).toBeLessThanOrEqual(1.15 * BLOCKS * SIZE_BYTES)
  }
)

test.each(SEEDS)('S9 nobody is blamed for a process that is held up: seed %d', async seed => {
  const peers = Array.from({ length: PEERS }, () => ({ delayMs: 60 }))
  const stalls = { everyMs: 200, lengthMs: 2_500 }
  const outcome = await simulate({ seed, peers, blocks: BLOCKS, stalls })
  expect(outcome.delivered).toBe(BLOCKS)
  expect(outcome.faults).toEqual([])
  expect(outcome.opened.size).toBe(0)
})

test.each<Behaviour>(['STALL', 'CORRUPT', 'DONT_HAVE'])(
  'what a block costs does not grow with how many are wanted at once, though half %s',
  async behaviour => {
    const looks = vi.spyOn(Supplier.prototype, 'isFull', 'get')
    const looksPerBlock = async (blocks: number): Promise<number> => {
      looks.mockClear()
      const peers = mixed(5, () => behaviour, 1)
      const outcome = await simulate({ seed: 1, peers, blocks, concurrency: blocks })
      expect(outcome.delivered).toBe(blocks)
      return looks.mock.calls.length / blocks
    }
    const few = await looksPerBlock(2 * BLOCKS)
    expect(await looksPerBlock(10 * BLOCKS)).toBeLessThan(2 * few)
    looks.mockRestore()
  }
)

describe.each<Behaviour>(['SLOW', 'STALL', 'DRIP'])('a peer that was %s for a while', behaviour => {
  const fromMs = 200
  const toMs = 2_200

  test.each([1, 2, 3])('has its share again a few seconds later: seed %d', async seed => {
    const wants = Array.from({ length: PEERS }, () => 0)
    const countedFromMs = toMs + 4_000
    const peers = Array.from({ length: PEERS }, (_, peer) => ({
      delayMs: DELAY_MS,
      behaviour({ nowMs }: Situation): Behaviour {
        if (nowMs > countedFromMs) wants[peer]!++
        return peer === 0 && nowMs > fromMs && nowMs < toMs ? behaviour : 'GOOD'
      }
    }))
    const outcome = await simulate({ seed, peers, blocks: 6_000, concurrency: 10 })
    expect(outcome.delivered).toBe(6_000)
    const [patient, ...others] = wants as [number, ...number[]]
    expect(Math.min(...others)).toBeGreaterThan(50)
    expect(patient).toBeGreaterThan(0.5 * (others.reduce((sum, count) => sum + count, 0) / others.length))
    expect(outcome.sentBlocks).toBeLessThan(1.05 * 6_000)
  })
})

describe('S10 a peer that was opened and does well again', () => {
  const badMs = 3_000

  test.each([1, 2, 3])('is probed, let in step by step, and has its share again: seed %d', async seed => {
    const peers = Array.from({ length: PEERS }, (_, peer) => ({
      delayMs: 500,
      ...(peer === 0 && {
        behaviour: ({ nowMs }: Situation): Behaviour => (nowMs < badMs ? 'CORRUPT' : 'GOOD')
      })
    }))
    const outcome = await simulate({ seed, peers, blocks: 4_500, limitMs: 400_000 })
    expect(outcome.delivered).toBe(4_500)
    expect([...outcome.opened]).toEqual([0])
    const statuses = [...outcome.protection.peers()]
    const requests = statuses.map(({ counts }) => counts.requests)
    const fairShare = requests.reduce((sum, count) => sum + count, 0) / PEERS
    // What is counted in half a minute scatters.
    expect(requests[0]).toBeGreaterThan(0.6 * fairShare)
    expect(statuses[0]).toMatchObject({ circuitState: 'CLOSED', healthStatus: 'HEALTHY' })
    // Nobody waited for it: it was probed besides others.
    expect(percentile(outcome, 0.99)).toBeLessThan(3 * 500)
  })
})

test.each(SEEDS)(
  'S12 what only two of ten have arrives, though all others are silent: seed %d',
  async seed => {
    const peers = mixed(8, () => 'STALL', seed)
    const good = peers.flatMap(({ behaviour }, peer) => (behaviour === undefined ? [peer] : []))
    const holding = peers.map((plan, peer) =>
      good.includes(peer) ? { ...plan, has: (number: number) => number % 5 < 2 === (peer === good[0]) } : plan
    )
    const outcome = await simulate({ seed, peers: holding, blocks: BLOCKS })
    expect(outcome.delivered).toBe(BLOCKS)
    for (const peer of good) expect(outcome.opened).not.toContain(peer)
  }
)

test.each(SEEDS)('S13 who says that he lacks a block is not blamed: seed %d', async seed => {
  const peers = Array.from({ length: PEERS }, (_, peer) => ({
    delayMs: DELAY_MS,
    has: (number: number) => number % PEERS === peer
  }))
  const outcome = await simulate({ seed, peers, blocks: BLOCKS })
  expect(outcome.delivered).toBe(BLOCKS)
  expect(outcome.sentBlocks).toBe(BLOCKS)
  expect(outcome.faults).toEqual([])
  expect(outcome.opened.size).toBe(0)
})
