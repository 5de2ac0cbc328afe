import { getEventListeners } from 'node:events'
import { StreamResetError, UnsupportedProtocolError } from '@libp2p/interface'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { describe, expect, test } from 'vitest'
import type { BlockFetch } from '../../../src/bitswap/fetch/block-fetch.ts'
import type { FetchProgress } from '../../../src/bitswap/fetch/fetch-progress.ts'
import { readMultihash } from '../../../src/bitswap/multihash.ts'
import { tripAt } from '../../../src/core/index.ts'
import { blockOf } from '../support/messages.ts'
import { peerOf } from '../support/peers.ts'
import { Bench, blocks, type FakePeer, NOTHING, REST_MS, withKnown } from './support/fetcher.ts'

/** A second peer is asked after this long while nothing is known of any, in ms. */
const UNKNOWN_HEDGE_MS = 250

/** As much as is asked at once of a peer that is known: ten, and one more for each block after the first that it was taught by. */
const WINDOW = 29

/** More providers are connected to when nothing came from anybody for this long, in ms. */
const MORE_AFTER_MS = 100

/** After how long, in ms, that nobody has room leads to more of them. */
const CROWDED_MS = 250

/** Nobody is tried out any more for a while. */
function useUpTrials(bench: Bench): void {
  while (bench.fetcher.takeTrial()) {}
}

/** Lets time go by while somebody shows that this node is not cut off. */
async function pass(bench: Bench, alive: FakePeer, ms: number): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += 25) {
    alive.trickle(1)
    await bench.advance(25)
  }
}

/** A peer that nobody could ask when it connected. */
function connectUnnoticed(bench: Bench): FakePeer {
  const peer = bench.peer()
  bench.protection.isolate(peer.link.key)
  peer.connect()
  bench.protection.release(peer.link.key)
  return peer
}

describe('while nothing is known of anybody', () => {
  test('three peers are asked for the block, and the others whether they have it', async () => {
    const bench = new Bench()
    const peers = bench.connect(5)
    const [a, b, c] = peers as [FakePeer, FakePeer, FakePeer]
    const got = bench.get(0)
    await bench.settle()
    const lines = (): string[][] => peers.map(peer => peer.takeLines())
    expect(lines()).toEqual([['want 0'], ['want 0'], ['want 0'], ['have? 0'], ['have? 0']])
    expect(await a.send(0)).toBe(true)
    await bench.settle()
    expect(got.bytes).toEqual(blocks[0]!.data)
    expect(got.asked).toEqual([a, b, c].map(({ link }) => link.peer))
    expect(got.from).toEqual([a.link.peer])
    // It has sent it, so there is nothing to take back; what was asked of the others is.
    expect(lines()).toEqual([[], ['cancel 0'], ['cancel 0'], ['cancel 0'], ['cancel 0']])
    expect(peers.map(({ successes }) => successes)).toEqual([1, 0, 0, 0, 0])
    expect(peers.map(({ failures }) => failures)).toEqual([0, 0, 0, 0, 0])
    await bench.advance(REST_MS)
    expect(bench.remains).toEqual(NOTHING)
  })

  test('32 others are asked at most', async () => {
    const bench = new Bench()
    const peers = bench.connect(40)
    bench.get(0)
    await bench.settle()
    const lines = (): string[] => peers.flatMap(peer => peer.takeLines()).sort()
    expect(lines()).toEqual([...Array.from({ length: 32 }, () => 'have? 0'), 'want 0', 'want 0', 'want 0'])
    // That one lacks it is told before they have answered: another takes its place.
    for (const peer of peers.slice(0, 3)) peer.tell(0, false)
    await bench.settle()
    expect(lines().slice(0, 1)).toEqual(['want 0'])
  })

  test('who has the block comes before who has not been asked', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const racers = bench.connect(3)
    const [late, b] = bench.connect(2) as [FakePeer, FakePeer]
    bench.protection.isolate(late.link.key)
    bench.get(0)
    await bench.settle()
    bench.protection.release(late.link.key)
    b.tell(0, true)
    await bench.advance(75)
    expect(racers.flatMap(peer => peer.takeLines())).toEqual(['want 0', 'want 0', 'want 0'])
    expect(b.takeLines()).toEqual(['have? 0', 'cancel 0', 'want 0'])
    // Only besides.
    expect(late.takeLines()).toEqual(['want 0'])
  })

  test('who has the block is asked for it alone', async () => {
    const bench = new Bench()
    const racers = bench.connect(3)
    const [b] = bench.connect(1) as [FakePeer]
    bench.get(0)
    await bench.settle()
    b.tell(0, true)
    const [c] = bench.connect(1) as [FakePeer]
    for (const peer of racers) peer.leave(false)
    await bench.settle()
    expect(b.takeLines()).toEqual(['have? 0', 'cancel 0', 'want 0'])
    expect(c.takeLines()).toEqual(['have? 0'])
  })

  test('it is asked no earlier than words come whether somebody else is to be asked', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a, b] = bench.connect(2) as [FakePeer, FakePeer]
    const got = bench.get(0)
    await bench.advance(25)
    b.tell(0, false)
    got.abort()
    bench.get(1)
    await bench.settle()
    const c = connectUnnoticed(bench)
    for (const peer of [a, b, c]) peer.takeLines()
    // A block takes about four times a word.
    await bench.advance(75)
    expect(c.takeLines()).toEqual([])
    await bench.advance(50)
    expect(c.takeLines()).toEqual(['want 1'])
  })

  test('a block is taken from whoever sends it', async () => {
    const bench = new Bench()
    const [a, b] = bench.connect(2) as [FakePeer, FakePeer]
    const got = bench.get(0)
    await bench.settle()
    expect(await b.send(0)).toBe(true)
    await bench.settle()
    expect(got.from).toEqual([b.link.peer])
    expect(a.takeLines()).toEqual(['want 0', 'cancel 0'])
    expect([a.successes, b.successes]).toEqual([0, 1])
    expect(a.failures).toBe(0)
  })

  test('who has the block is asked for it 50 ms later, at no cost, if who was asked first says nothing', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a, _b, _c, d] = bench.connect(4) as FakePeer[]
    bench.get(0)
    await bench.advance(100)
    expect(d!.tell(0, true)).toBe(true)
    await bench.advance(25)
    expect(d!.takeMessages()).toEqual([['have? 0']])
    await bench.advance(25)
    // Asked a second time on one connection, it would not answer unless the first was taken back.
    expect(d!.takeMessages()).toEqual([['cancel 0'], ['want 0']])
    expect(a!.takeMessages()).toEqual([['want 0']])
  })

  test('who has the block is asked for it at once if fewer than three were', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const peers = bench.connect(4)
    const [a, _b, _c, d] = peers
    bench.get(0)
    await bench.settle()
    a!.tell(0, false)
    await bench.settle()
    d!.tell(0, true)
    await bench.settle()
    expect(d!.takeMessages()).toEqual([['have? 0'], ['cancel 0'], ['want 0']])
  })

  test('who has the block is asked for it only 50 ms later when enough have been tried out', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a, _b, _c, d] = bench.connect(4) as FakePeer[]
    bench.get(0)
    await bench.settle()
    a!.tell(0, false)
    useUpTrials(bench)
    d!.tell(0, true)
    await bench.advance(25)
    expect(d!.takeMessages()).toEqual([['have? 0']])
    await bench.advance(25)
    expect(d!.takeMessages()).toEqual([['cancel 0'], ['want 0']])
  })

  test('who has the block is not asked for it yet if who was asked first has it, too', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a, _b, _c, d] = bench.connect(4) as FakePeer[]
    bench.get(0)
    await bench.settle()
    a!.tell(0, true)
    d!.tell(0, true)
    await bench.advance(100)
    expect(a!.takeMessages()).toEqual([['want 0']])
    expect(d!.takeMessages()).toEqual([['have? 0']])
  })

  test('who has the block is asked for it at once if who was asked first lacks it', async () => {
    const bench = new Bench()
    const [a, b, c, d, e] = bench.connect(5) as FakePeer[]
    bench.get(0)
    await bench.settle()
    e!.tell(0, true)
    for (const peer of [a, b, c]) expect(peer!.tell(0, false)).toBe(true)
    await bench.settle()
    expect(d!.takeMessages()).toEqual([['have? 0']])
    expect(e!.takeMessages()).toEqual([['have? 0'], ['cancel 0'], ['want 0']])
  })
})

describe('a peer that is known', () => {
  test('is asked alone by those who are known', async () => {
    const bench = new Bench()
    const [a, b] = (await withKnown(bench, 50, 50)) as [FakePeer, FakePeer]
    bench.get(0)
    await bench.settle()
    expect(a.takeMessages()).toEqual([['want 0']])
    expect(b.takeMessages()).toEqual([])
  })

  test.each([
    [40, 6],
    [60, 4],
    [200, 1]
  ])(
    'at %d ms a block is asked for %d of six, before the rest would take it a quarter of a second',
    async (everyMs, own) => {
      const bench = new Bench({ hedgeShare: 0 })
      const [a] = (await withKnown(bench, everyMs)) as [FakePeer]
      while (bench.fetcher.takeTrial());
      const others = bench.connect(9)
      for (let number = 0; number < 6; number++) bench.get(number)
      await bench.settle()
      expect(a.takeLines()).toHaveLength(own)
      // The rest is asked of those that are new, one of each.
      const perPeer = others.map(peer => peer.takeLines().length).sort((one, other) => other - one)
      expect(perPeer.slice(0, 6)).toEqual([...Array(6 - own).fill(1), ...Array(own).fill(0)])
    }
  )

  test('has room before one that is new is asked for a second block', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a] = (await withKnown(bench, 200)) as [FakePeer]
    useUpTrials(bench)
    const [b] = bench.connect(1) as [FakePeer]
    for (let number = 0; number < WINDOW + 3; number++) bench.get(number)
    await bench.settle()
    expect([a.takeLines().length, b.takeLines()]).toEqual([WINDOW, ['want 1']])
    await b.send(1)
    await bench.settle()
    expect(b.takeLines()).toEqual([`want ${WINDOW + 1}`, `want ${WINDOW + 2}`])
  })

  test('is left what it is to send next, if it gets on and another was quicker with a block', async () => {
    const bench = new Bench({ hedgeShare: 1 })
    const [a, b] = (await withKnown(bench, 10, 10)) as [FakePeer, FakePeer]
    useUpTrials(bench)
    bench.protection.isolate(b.link.key)
    for (let number = 0; number < 10; number++) bench.get(number)
    await bench.settle()
    expect(a.takeLines()).toHaveLength(10)
    bench.protection.release(b.link.key)
    await bench.advance(40)
    a.trickle(16_384)
    await bench.advance(40)
    expect(b.takeLines()).toEqual([])
    await b.send(0)
    await bench.settle()
    expect(b.takeLines().filter(line => line.startsWith('want'))).toEqual(['want 7', 'want 8', 'want 9'])
  })

  describe('and has no room', () => {
    const wanted = WINDOW + 10

    /** Peers that take so long, of which more blocks are wanted than one of them is asked for at once. */
    async function withWanted(bench: Bench, ...everyMs: readonly number[]): Promise<FakePeer[]> {
      const peers = await withKnown(bench, ...everyMs)
      useUpTrials(bench)
      for (let number = 0; number < wanted; number++) bench.get(number)
      await bench.settle()
      return peers
    }

    test('is waited for, if another would take longer', async () => {
      const bench = new Bench({ hedgeShare: 0 })
      const [a, b] = (await withWanted(bench, 10, 1_000)) as [FakePeer, FakePeer]
      expect([a.takeLines().length, b.takeLines()]).toEqual([WINDOW, []])
      await a.send(0)
      await bench.settle()
      // It has room again, for one more with each block.
      expect([a.takeLines(), b.takeLines()]).toEqual([[`want ${WINDOW}`, `want ${WINDOW + 1}`], []])
    })

    test('is not waited for, if another would take less', async () => {
      const bench = new Bench({ hedgeShare: 0 })
      const [a, b] = (await withWanted(bench, 100, 1_000)) as [FakePeer, FakePeer]
      expect(a.takeLines()).toHaveLength(WINDOW)
      // Three for which it takes as long as the other for thirty, and those that it was asked for while it was as good.
      expect(b.takeLines().length).toBeGreaterThanOrEqual(3)
    })

    test('is not waited for, if another says that he has the block', async () => {
      const bench = new Bench({ hedgeShare: 0 })
      const [, b] = (await withWanted(bench, 10, 1_000)) as [FakePeer, FakePeer]
      const [supplier] = [...bench.fetcher.suppliers()].filter(({ link }) => link === b.link)
      const number = wanted
      supplier!.told(readMultihash(blocks[number]!.cid.bytes)!, true)
      bench.get(number)
      await bench.settle()
      expect(b.takeLines()).toEqual([`want ${number}`])
    })

    test('is not waited for any longer when it is late', async () => {
      const bench = new Bench({ hedgeShare: 0 })
      const [a, b] = (await withWanted(bench, 10, 60)) as [FakePeer, FakePeer]
      const before = b.takeLines().length
      a.takeLines()
      expect(before).toBeLessThan(10)
      await pass(bench, b, 100)
      expect(before + b.takeLines().length).toBe(10)
    })

    test('is waited for by what is wanted, and not by what is late', async () => {
      const bench = new Bench({ hedgeShare: 1 })
      const [slow] = (await withKnown(bench, 5_000)) as [FakePeer]
      // What counts as late does not depend on that any more.
      await bench.advance(130_000)
      const [, other] = (await withWanted(bench, 10, 10)) as [FakePeer, FakePeer]
      for (let number = wanted; number < 2 * WINDOW + 2; number++) bench.get(number)
      await bench.settle()
      expect(slow.takeLines()).not.toContain('want 0')
      for (let passedMs = 0; passedMs < 100; passedMs += 10) {
        other.trickle(1)
        await bench.advance(10)
      }
      expect(slow.takeLines()).toContain('want 0')
    })

    test.each([
      [4, 0],
      [5, 1]
    ])(
      'at %d ms a block, %d of sixty are asked of one that is new: if it would take longer than a quarter of a second',
      async (everyMs, count) => {
        const bench = new Bench({ hedgeShare: 0 })
        await withKnown(bench, everyMs)
        useUpTrials(bench)
        const [b] = bench.connect(1) as [FakePeer]
        for (let number = 0; number < 60; number++) bench.get(number)
        await bench.settle()
        expect(b.takeLines()).toHaveLength(count)
      }
    )
  })

  /** Peers that are known to take 150 ms, while it takes much longer until anything counts as late. */
  async function withQuick(bench: Bench, count: number): Promise<FakePeer[]> {
    const [slow, ...quick] = await withKnown(bench, 400, ...Array<number>(count).fill(150))
    bench.protection.isolate(slow!.link.key)
    useUpTrials(bench)
    return quick
  }

  test('takes over what one that is new was asked for, once nothing else is asked of it and it would have sent it', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a] = (await withQuick(bench, 1)) as [FakePeer]
    const [b, c] = bench.connect(2) as [FakePeer, FakePeer]
    const gots = [0, 1, 2].map(number => bench.get(number))
    await bench.advance(50)
    expect([a, b, c].map(peer => peer.takeLines())).toEqual([['want 0'], ['want 1'], ['want 2']])
    await a.send(0)
    await bench.advance(75)
    expect(a.takeLines()).toEqual([])
    await bench.advance(50)
    // One after the other: they may come after all.
    expect(a.takeLines()).toEqual(['want 1'])
    await a.send(1)
    await bench.settle()
    expect(a.takeLines()).toEqual([])
    await bench.advance(1)
    expect(a.takeLines()).toEqual(['want 2'])
    await a.send(2)
    await bench.settle()
    expect(gots.map(({ from }) => from)).toEqual(Array(3).fill([a.link.peer]))
    await bench.advance(REST_MS)
    expect([b.faults, c.faults, bench.remains]).toEqual([[], [], NOTHING])
  })

  test('takes over nothing once all is over', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a] = (await withQuick(bench, 1)) as [FakePeer]
    bench.connect(1)
    for (const number of [0, 1]) bench.get(number)
    await bench.settle()
    await a.send(0)
    await bench.settle()
    const timers = bench.clock.pendingTimers
    bench.fetcher.stop(new Error('stopped'))
    expect(bench.clock.pendingTimers).toBe(timers - 1)
  })

  test('is not asked for what it lacks, though one that is new is waited for', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a] = (await withQuick(bench, 1)) as [FakePeer]
    const given = bench.get(0)
    await bench.settle()
    a.tell(0, false)
    given.abort()
    const [b] = bench.connect(1) as [FakePeer]
    await bench.advance(REST_MS)
    a.takeLines()
    for (const number of [0, 1]) bench.get(number)
    await bench.settle()
    expect([a, b].map(peer => peer.takeLines())).toEqual([['want 1'], ['want 0']])
    await a.send(1)
    await bench.advance(200)
    expect(a.takeLines()).toEqual([])
  })

  test('does not take over what is given up while another takes over', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a, d] = (await withQuick(bench, 2)) as [FakePeer, FakePeer]
    const [b, c] = bench.connect(2) as [FakePeer, FakePeer]
    bench.protection.isolate(d.link.key)
    bench.get(0)
    let isAsked = false
    bench.get(1, { onProgress: () => isAsked && given.abort() })
    const given = bench.get(2)
    await bench.settle()
    expect([a, b, c].map(peer => peer.takeLines())).toEqual([['want 0'], ['want 1'], ['want 2']])
    bench.protection.release(d.link.key)
    isAsked = true
    await a.send(0)
    await bench.advance(175)
    expect([a, d].map(peer => peer.takeLines())).toEqual([['want 1'], []])
    expect(c.takeLines()).toEqual(['cancel 2'])
  })

  test('is not asked for what one that is new is sending', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a] = (await withQuick(bench, 1)) as [FakePeer]
    const [b] = bench.connect(1) as [FakePeer]
    for (const number of [0, 1]) bench.get(number)
    await bench.settle()
    expect([a, b].map(peer => peer.takeLines())).toEqual([['want 0'], ['want 1']])
    b.trickle(1_000)
    await a.send(0)
    await bench.advance(200)
    expect(a.takeLines()).toEqual([])
  })

  test('is asked for the block again, and who was only to show then what he is like is not listened to for ever', async () => {
    const bench = new Bench()
    const [a] = (await withKnown(bench, 50)) as [FakePeer]
    const [b] = bench.connect(1) as [FakePeer]
    bench.get(0)
    await bench.settle()
    expect([a, b].map(peer => peer.takeLines())).toEqual([['want 0'], ['want 0']])
    await a.send(0)
    await bench.settle()
    bench.protection.isolate(b.link.key)
    const again = bench.get(0)
    await pass(bench, a, 2_500)
    expect(a.takeLines()).toContain('want 0')
    expect(b.takeLines()).toEqual([])
    again.abort()
    await bench.advance(REST_MS)
    expect(bench.remains).toEqual(NOTHING)
  })

  test('shows what one that is new is like, for whom nobody waits', async () => {
    const bench = new Bench()
    const [a] = (await withKnown(bench, 50)) as [FakePeer]
    const [b] = bench.connect(1) as [FakePeer]
    const gots = [bench.get(0), bench.get(1)]
    await bench.settle()
    // One block only.
    expect([a.takeLines(), b.takeLines()]).toEqual([['want 0', 'want 1'], ['want 0']])
    for (const number of [0, 1]) await a.send(number)
    await bench.settle()
    expect(gots.map(({ from }) => from)).toEqual([[a.link.peer], [a.link.peer]])
    expect([b.takeLines(), b.inFlight]).toEqual([[], 1])
    await b.send(0)
    expect([b.successes, b.inFlight]).toEqual([1, 0])
    bench.get(2)
    bench.get(3)
    await bench.settle()
    // From now on it is one of them.
    expect(b.takeLines()).toContain('want 2')
  })

  test.each([
    [8_192, 4],
    [131_072, 2],
    [262_144, 1],
    [1_048_576, 1]
  ])('where blocks have %d B, shows what %d new ones are like at first', async (sizeBytes, trials) => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    const data = new Uint8Array(sizeBytes)
    const got = bench.fetcher.getBlock(CID.createV1(0x55, await sha256.digest(data)))
    await bench.settle()
    await bench.fetcher.sentBlock(a.link, blocks[0]!.prefix, data)
    expect(await got).toEqual(data)
    let taken = 0
    while (bench.fetcher.takeTrial()) taken++
    expect(taken).toBe(trials)
  })

  test('shows what four new ones are like at first, and later with 3 % of what is asked for', async () => {
    const bench = new Bench()
    const [a] = (await withKnown(bench, 50)) as [FakePeer]
    const others = bench.connect(10)
    const fetch = async (times: number): Promise<number> => {
      for (let time = 0; time < times; time++) {
        bench.get(time % 20)
        await bench.settle()
        await a.send(time % 20)
        await bench.settle()
      }
      return others.flatMap(peer => peer.takeLines()).filter(line => line.startsWith('want')).length
    }
    expect(await fetch(10)).toBe(4)
    const later = await fetch(100)
    expect(later).toBeGreaterThanOrEqual(3)
    expect(later).toBeLessThanOrEqual(4)
  })

  test('shows that one that is new does not answer', async () => {
    const bench = new Bench()
    const [a] = (await withKnown(bench, 50)) as [FakePeer]
    const [b] = bench.connect(1) as [FakePeer]
    bench.get(0)
    await bench.settle()
    await a.send(0)
    await bench.advance(2_025)
    expect(b.faults).toEqual([])
    bench.get(1)
    await bench.settle()
    await a.send(1)
    await bench.settle()
    expect(b.faults).toEqual([['TIMEOUT', 0]])
  })

  test('does not hold what it is not known of for long, if nothing else comes', async () => {
    const bench = new Bench()
    const [a] = (await withKnown(bench, 50)) as [FakePeer]
    const [b] = bench.connect(1) as [FakePeer]
    bench.get(0)
    await bench.settle()
    await a.send(0)
    await bench.advance(REST_MS)
    expect([b.inFlight, b.failures, b.faults]).toEqual([0, 0, []])
    expect(bench.remains).toEqual(NOTHING)
  })

  test.each([
    ['asked alone while it has most of what it is asked for', 3, []],
    ['asked together with others when it lacks most of what it is asked for', 10, ['have? 20']]
  ])('is %s', async (_, lacked, questions) => {
    const bench = new Bench()
    const [a] = (await withKnown(bench, 50)) as [FakePeer]
    for (let number = 0; number < lacked; number++) {
      const got = bench.get(number)
      await bench.settle()
      a.tell(number, false)
      got.abort()
    }
    const [b] = (await withKnown(bench, 300)) as [FakePeer]
    a.takeLines()
    useUpTrials(bench)
    bench.get(20)
    await bench.settle()
    expect(a.takeLines()).toEqual(['want 20'])
    expect(b.takeLines()).toEqual(questions)
  })

  test('comes before others by how quick it is', async () => {
    const bench = new Bench()
    const [slow, quick] = (await withKnown(bench, 200, 50)) as [FakePeer, FakePeer]
    useUpTrials(bench)
    bench.get(0)
    await bench.settle()
    expect(quick.takeMessages()).toEqual([['want 0']])
    expect(slow.takeMessages()).toEqual([])
  })

  test('is tried again besides others after two seconds, if it is slower than they are', async () => {
    const bench = new Bench()
    const [slow, quick] = (await withKnown(bench, 200, 50)) as [FakePeer, FakePeer]
    const lines = async (number: number): Promise<string[][]> => {
      bench.get(number)
      await bench.settle()
      const taken = [quick.takeLines(), slow.takeLines()]
      await quick.send(number)
      await bench.settle()
      return taken
    }
    expect(await lines(0)).toEqual([['want 0'], ['want 0']])
    await slow.send(0)
    await bench.advance(1_975)
    expect(await lines(1)).toEqual([['want 1'], []])
    await bench.advance(25)
    expect(await lines(2)).toEqual([['want 2'], ['want 2']])
  })

  test('is not tried again if it is as good as others: it is asked anyway', async () => {
    const bench = new Bench()
    const [quick, good] = (await withKnown(bench, 50, 60)) as [FakePeer, FakePeer]
    bench.get(0)
    await bench.settle()
    expect([quick.takeLines(), good.takeLines()]).toEqual([['want 0'], []])
  })

  test('is as good as others that are up to twice as slow', async () => {
    const picks: number[] = []
    const bench = new Bench({ random: () => picks.shift() ?? 0 })
    const [quick, good, slow] = (await withKnown(bench, 100, 150, 300)) as [FakePeer, FakePeer, FakePeer]
    // The lower of two: each pick is of the two that are as good.
    picks.push(0.99, 0.99)
    const got = bench.get(0)
    await bench.settle()
    expect([quick, good, slow].map(peer => peer.takeLines())).toEqual([[], ['want 0'], []])
    got.abort()
    picks.push(0.99, 0.49)
    bench.get(1)
    await bench.settle()
    expect(quick.takeLines()).toEqual(['want 1'])
  })

  test('is asked less while it is waited for', async () => {
    const bench = new Bench()
    const [a, b] = (await withKnown(bench, 100, 100)) as [FakePeer, FakePeer]
    for (let number = 0; number < 6; number++) bench.get(number)
    await bench.settle()
    expect([a.takeLines().length, b.takeLines().length]).toEqual([3, 3])
  })

  test('is asked less after it took longer than others, as soon as the caller gives up', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a, b] = (await withKnown(bench, 50, 60, 400)) as [FakePeer, FakePeer]
    const got = bench.get(0)
    await bench.advance(100)
    got.abort()
    bench.get(1)
    await bench.settle()
    expect([a.takeLines(), b.takeLines()]).toEqual([['want 0', 'cancel 0'], ['want 1']])
  })

  test('is asked less after it took long', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a, b] = (await withKnown(bench, 100, 150)) as [FakePeer, FakePeer]
    const got = bench.get(0)
    await bench.advance(200)
    got.abort()
    await bench.settle()
    expect(a.takeLines()).toEqual(['want 0', 'cancel 0'])
    bench.get(1)
    await bench.settle()
    expect([a.takeLines(), b.takeLines()]).toEqual([[], ['want 1']])
  })

  test('comes before one that is new', async () => {
    const bench = new Bench()
    const [a] = (await withKnown(bench, 100)) as [FakePeer]
    const [b] = bench.connect(1) as [FakePeer]
    bench.get(0)
    bench.get(1)
    await bench.settle()
    expect([a.takeLines(), b.takeLines()]).toEqual([['want 0', 'want 1'], ['want 0']])
  })

  test('comes after one that says it has the block', async () => {
    const bench = new Bench()
    const [a, b, c] = (await withKnown(bench, 50, 60, 300)) as [FakePeer, FakePeer, FakePeer]
    useUpTrials(bench)
    bench.get(0)
    await bench.settle()
    a.tell(0, false)
    await bench.settle()
    expect([b.takeLines(), c.takeLines()]).toEqual([['have? 0'], ['have? 0']])
    c.tell(0, true)
    await bench.settle()
    expect(c.takeLines()).toEqual(['cancel 0', 'want 0'])
    b.tell(0, false)
    await bench.settle()
    expect(b.takeLines()).toEqual([])
  })
})

describe('a peer that has answered', () => {
  test('is told that a block is wanted no more when there is something else to say, or after a second', async () => {
    const bench = new Bench()
    const [a, b] = bench.connect(2) as [FakePeer, FakePeer]
    bench.get(0)
    await bench.settle()
    b.tell(0, false)
    await a.send(0)
    await bench.settle()
    expect(b.takeLines()).toEqual(['want 0'])
    await bench.advance(975)
    expect(b.takeLines()).toEqual([])
    await bench.advance(50)
    expect(b.takeLines()).toEqual(['cancel 0'])
  })
})

describe('a peer that does not speak Bitswap after all', () => {
  test("is not asked any more, to nobody's harm, unless it says that it does", async () => {
    const bench = new Bench()
    const [a] = (await withKnown(bench, 50)) as [FakePeer]
    const [b] = bench.connect(1) as [FakePeer]
    b.onOpen = () => Promise.reject(new UnsupportedProtocolError('no Bitswap'))
    bench.get(0)
    await bench.settle()
    expect([...bench.fetcher.suppliers()].map(({ key }) => key)).toEqual([a.link.key])
    expect([b.failures, b.inFlight, b.faults]).toEqual([0, 0, []])
    b.onOpen = () => b.newStream()
    b.connect()
    bench.get(1)
    await bench.settle()
    expect(b.takeLines()).toEqual(['want 1'])
  })
})

describe('several callers', () => {
  test('of one block share one fetch', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    const gots = [bench.get(0), bench.get(0)]
    await bench.settle()
    const late = bench.get(0)
    await bench.settle()
    expect(a.takeLines()).toEqual(['want 0'])
    await a.send(0)
    await bench.settle()
    for (const got of [...gots, late]) {
      expect(got.bytes).toEqual(blocks[0]!.data)
      expect(got.from).toEqual([a.link.peer])
    }
    // Told is who waits when a peer is asked.
    expect(gots.map(({ asked }) => asked.length)).toEqual([1, 0])
    expect(a.successes).toBe(1)
  })

  test('give up one by one: the others go on', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    const [one, other] = [bench.get(0), bench.get(0)]
    await bench.settle()
    const reason = new Error('no longer needed')
    one.abort(reason)
    await bench.settle()
    expect(one.error).toBe(reason)
    expect(a.takeLines()).toEqual(['want 0'])
    await a.send(0)
    await bench.settle()
    expect(other.bytes).toEqual(blocks[0]!.data)
    expect(one.from).toEqual([])
  })

  test('give up all: what was asked is taken back, and counts for nothing', async () => {
    const bench = new Bench()
    const [a, b] = bench.connect(2) as [FakePeer, FakePeer]
    const [one, other] = [bench.get(0), bench.get(0)]
    await bench.settle()
    one.abort(new Error('first'))
    other.abort('second')
    await bench.settle()
    expect([one.error, other.error]).toEqual([new Error('first'), 'second'])
    expect([a.takeLines(), b.takeLines()]).toEqual([
      ['want 0', 'cancel 0'],
      ['want 0', 'cancel 0']
    ])
    expect([a, b].map(({ successes, failures, inFlight }) => [successes, failures, inFlight])).toEqual([
      [0, 0, 0],
      [0, 0, 0]
    ])
    await bench.advance(REST_MS)
    expect(bench.remains).toEqual(NOTHING)
    expect(bench.fetcher.expects(a.link)).toBe(false)
  })

  test('may come again after all gave up', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    bench.get(0).abort()
    const got = bench.get(0)
    await bench.settle()
    expect(a.takeMessages()).toEqual([['want 0'], ['cancel 0'], ['cancel 0'], ['want 0']])
    await a.send(0)
    await bench.settle()
    expect(got.bytes).toEqual(blocks[0]!.data)
  })

  test('that have given up before they asked start nothing', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    const reason = new Error('too late')
    const got = bench.get(0, { signal: AbortSignal.abort(reason) })
    await bench.settle()
    expect(got.error).toBe(reason)
    expect(a.takeLines()).toEqual([])
    expect(bench.remains).toEqual(NOTHING)
  })

  test('keep no listener on a signal after they got the block, or gave up', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    const { signal } = new AbortController()
    bench.get(0, { signal })
    const got = bench.get(1)
    await bench.settle()
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    await a.send(0)
    await bench.settle()
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    const own = got.options.signal!
    got.abort()
    await bench.settle()
    expect(getEventListeners(own, 'abort')).toHaveLength(0)
    bench.get(2, { signal })
    bench.fetcher.stop(new Error('stopped'))
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  test('without a signal wait for as long as it takes', async () => {
    const bench = new Bench()
    const got = bench.get(0, { signal: undefined })
    await bench.advance(20_000)
    const [a] = bench.connect(1) as [FakePeer]
    await bench.settle()
    await a.send(0)
    await bench.settle()
    expect(got.bytes).toEqual(blocks[0]!.data)
  })

  test('are told, each by the CID it asked for, and of a stream that broke', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    const { cid } = blocks[0]!
    const told: FetchProgress[] = []
    const onProgress = (progress: FetchProgress): number => told.push(progress)
    for (const asked of [cid, CID.createV1(0x71, cid.multihash)])
      bench.fetcher.getBlock(asked, { onProgress }).catch(() => {})
    await bench.settle()
    a.stream.reset()
    await bench.advance(1_000)
    await a.send(0)
    await bench.settle()
    const { peer } = a.link
    expect(told.map(({ type, detail }) => ({ type, detail }))).toEqual([
      { type: 'bitswap:send-wantlist', detail: peer },
      { type: 'bitswap:send-wantlist:error', detail: { peer, error: expect.any(StreamResetError) } },
      { type: 'bitswap:send-wantlist:error', detail: { peer, error: expect.any(StreamResetError) } },
      { type: 'bitswap:send-wantlist', detail: peer },
      { type: 'bitswap:send-wantlist', detail: peer },
      { type: 'bitswap:block', detail: { cid, sender: peer } },
      { type: 'bitswap:block', detail: { cid: CID.createV1(0x71, cid.multihash), sender: peer } }
    ])
  })

  test('that fail when they are told do no harm to themselves or others', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    const fail = (): never => {
      throw new Error('a bug of the caller')
    }
    const got = [bench.get(0, { onProgress: fail }), bench.get(0)]
    await bench.advance(5_000)
    expect(got.map(({ isPending }) => isPending)).toEqual([true, true])
    expect(await a.send(0)).toBe(true)
    await bench.settle()
    expect(got.map(({ bytes }) => bytes)).toEqual([blocks[0]!.data, blocks[0]!.data])
    expect(bench.logger.errors.length).toBeGreaterThan(1)
  })

  test('that give up when they are told whom is asked leave nothing behind', async () => {
    const bench = new Bench()
    const peers = bench.connect(4)
    const controller = new AbortController()
    const reason = new Error('not from that one')
    const got = bench.get(0, { signal: controller.signal, onProgress: () => controller.abort(reason) })
    await bench.advance(REST_MS)
    expect(got.error).toBe(reason)
    expect(peers.map(peer => peer.takeLines())).toEqual(
      peers.map((_, place) => [place < 3 ? 'want 0' : 'have? 0', 'cancel 0'])
    )
    expect(bench.remains).toEqual(NOTHING)
  })

  test('of CIDs of two versions share one fetch', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    const { cid, data } = blocks[0]!
    const other = bench.fetcher.getBlock(CID.createV1(0x70, cid.multihash))
    const got = bench.get(0)
    await bench.settle()
    expect(a.takeLines()).toEqual(['want 0'])
    await a.send(0)
    await bench.settle()
    expect(await other).toEqual(data)
    expect(got.bytes).toEqual(data)
  })
})

describe('a second peer', () => {
  test('is asked when the first never delivered anything and takes long, whatever the budget', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [known] = (await withKnown(bench, 100)) as [FakePeer]
    bench.protection.isolate(known.link.key)
    const [a, b, c] = bench.connect(3) as [FakePeer, FakePeer, FakePeer]
    bench.get(0)
    await bench.advance(75)
    expect([a, b, c].map(peer => peer.takeLines())).toEqual([['want 0'], [], []])
    await bench.advance(50)
    expect([a, b, c].map(peer => peer.takeLines())).toEqual([[], ['want 0'], []])
    await bench.advance(125)
    expect([a, b, c].map(peer => peer.takeLines())).toEqual([[], [], ['want 0']])
  })

  test.each([
    [3, ['want 0']],
    [4, []]
  ])('is so as well when the first has delivered %d blocks before: %j', async (blocksBefore, asked) => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a] = bench.connect(1) as [FakePeer]
    await bench.teach(a, 100, blocksBefore)
    await bench.advance(REST_MS)
    const b = connectUnnoticed(bench)
    useUpTrials(bench)
    a.takeLines()
    bench.get(0)
    await bench.settle()
    expect([a, b].map(peer => peer.takeLines())).toEqual([['want 0'], []])
    await bench.advance(200)
    expect(b.takeLines()).toEqual(asked)
  })

  test('is so too when the first has delivered something else since', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [known] = (await withKnown(bench, 100)) as [FakePeer]
    bench.protection.isolate(known.link.key)
    const [a] = bench.connect(1) as [FakePeer]
    bench.get(0)
    bench.get(1)
    await bench.advance(50)
    await a.send(0)
    const [b] = bench.connect(1) as [FakePeer]
    await bench.advance(75)
    expect(b.takeLines()).toEqual([])
    await bench.advance(50)
    expect(b.takeLines()).toEqual(['want 1'])
  })

  describe('while the first sends other blocks', () => {
    /** Asks one peer for so many, and has it send one after the other every 25 ms; another is as good. */
    async function queue(count: number, sent: number): Promise<{ bench: Bench; other: FakePeer }> {
      const bench = new Bench()
      const [a, other] = (await withKnown(bench, 50, 50)) as [FakePeer, FakePeer]
      bench.protection.isolate(other.link.key)
      for (let number = 0; number < count; number++) bench.get(number)
      await bench.settle()
      bench.protection.release(other.link.key)
      for (let number = 0; number < sent; number++) {
        await bench.advance(25)
        await a.send(number)
        await bench.settle()
      }
      return { bench, other }
    }

    test('is not asked for those behind them', async () => {
      const { other } = await queue(6, 6)
      expect(other.takeLines()).toEqual([])
    })

    test('is asked when the first stops', async () => {
      const { bench, other } = await queue(4, 3)
      await bench.advance(25)
      expect(other.takeLines()).toEqual([])
      await bench.advance(50)
      expect(other.takeLines()).toEqual(['want 3'])
    })

    test('is asked all the same after four times of what most blocks take', async () => {
      expect((await queue(12, 7)).other.takeLines()).toEqual([])
      expect((await queue(12, 9)).other.takeLines()).toContain('want 11')
    })
  })

  test('is asked after a quarter of a second while nothing is known of anybody', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a] = bench.connect(1) as [FakePeer]
    bench.get(0)
    await bench.settle()
    const b = connectUnnoticed(bench)
    await bench.advance(UNKNOWN_HEDGE_MS - 25)
    expect([a.takeLines(), b.takeLines()]).toEqual([['want 0'], []])
    await bench.advance(50)
    expect(b.takeLines()).toEqual(['want 0'])
  })

  test('is asked when most blocks would be there, and the first is listened to on', async () => {
    const bench = new Bench()
    const [a, b] = (await withKnown(bench, 100, 150)) as [FakePeer, FakePeer]
    const got = bench.get(0)
    // 95 of 100 took 150 ms at most.
    await bench.advance(125)
    expect([a.takeLines(), b.takeLines()]).toEqual([['want 0'], []])
    await bench.advance(50)
    expect([a.takeLines(), b.takeLines()]).toEqual([[], ['want 0']])
    expect(got.asked).toEqual([a.link.peer, b.link.peer])
    await a.send(0)
    await bench.settle()
    expect(got.from).toEqual([a.link.peer])
    // The one that lost the race is told, and not blamed.
    expect(b.takeLines()).toEqual(['cancel 0'])
    expect([b.failures, b.inFlight]).toEqual([0, 0])
  })

  test('that is asked may win the race: then the first is told, and not blamed', async () => {
    const bench = new Bench()
    const [a, b] = (await withKnown(bench, 100, 150)) as [FakePeer, FakePeer]
    bench.get(0)
    await bench.advance(175)
    await b.send(0)
    await bench.settle()
    expect(a.takeLines()).toEqual(['want 0', 'cancel 0'])
    expect([a.failures, a.inFlight, a.faults]).toEqual([0, 0, []])
  })

  test('is not asked without a budget', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a, b] = (await withKnown(bench, 100, 110)) as [FakePeer, FakePeer]
    bench.get(0)
    await bench.advance(225)
    expect([a.takeLines(), b.takeLines()]).toEqual([['want 0'], []])
  })

  test('is asked for so many blocks as the budget allows', async () => {
    const bench = new Bench({ hedgeShare: 0.01 })
    const [a, b, c] = (await withKnown(bench, 50, 50, 50)) as [FakePeer, FakePeer, FakePeer]
    for (let number = 0; number < 24; number++) bench.get(number)
    await bench.settle()
    const wants = (): number => [a, b, c].flatMap(peer => peer.messages.flat()).length
    expect(wants()).toBe(24)
    await pass(bench, c, 75)
    // What each of them is late with tells of the others.
    expect(wants()).toBe(24 + 3)
    await pass(bench, c, 150)
    // Ten are there from the start.
    expect(wants()).toBe(24 + 10)
    expect(bench.told).toContain('answered 50')
    const told = bench.told.filter(line => line.startsWith('hedge'))
    expect(told.filter(line => line === 'hedged')).toHaveLength(10)
    expect(told.filter(line => line === 'hedge refused').length).toBeGreaterThanOrEqual(14)
  })

  test.each([
    ['not the one that was silent', 0, false],
    ['and the one that was just slow as well', 1, true]
  ])('is asked from then on, %s', async (_, bytes, isAsked) => {
    // Of those as good, the last is picked.
    const bench = new Bench({ random: () => 0.99 })
    const [first, other] = (await withKnown(bench, 50, 50)) as [FakePeer, FakePeer]
    bench.protection.isolate(other.link.key)
    bench.get(0)
    await bench.settle()
    bench.protection.release(other.link.key)
    first.trickle(bytes)
    await pass(bench, other, 75)
    await other.send(0)
    await bench.settle()
    first.takeLines()
    // Others take 50 ms. It was waited for for 75, and twice that is expected of it if it was silent: more than is as good.
    bench.get(1)
    await bench.settle()
    expect(first.takeLines()).toEqual(isAsked ? ['want 1'] : [])
  })

  describe('while the first sends nothing of all it was asked for', () => {
    /** Asks one peer for five blocks, of which the first is late by now; another is as good. */
    async function keepSilent(): Promise<{ bench: Bench; a: FakePeer; other: FakePeer }> {
      const bench = new Bench()
      const [a, other] = (await withKnown(bench, 50, 50)) as [FakePeer, FakePeer]
      await askOnly(bench, a, other, [0, 1, 2, 3, 4])
      await pass(bench, other, 75)
      return { bench, a, other }
    }

    async function askOnly(bench: Bench, a: FakePeer, other: FakePeer, numbers: number[]): Promise<void> {
      bench.protection.isolate(other.link.key)
      for (const number of numbers) bench.get(number)
      await bench.settle()
      bench.protection.release(other.link.key)
      expect(a.takeLines()).toEqual(numbers.map(number => `want ${number}`))
      other.takeLines()
    }

    test('is asked for one thing, and for the rest as soon as it has sent that', async () => {
      const { bench, other } = await keepSilent()
      expect(other.takeLines()).toEqual(['want 0'])
      await pass(bench, other, 25)
      expect(other.takeLines()).toEqual([])
      await other.send(0)
      await pass(bench, other, 25)
      expect(other.takeLines()).toEqual(['want 1', 'want 2', 'want 3', 'want 4'])
    })

    test('is asked for one more each time that most blocks would be there, and for all after four times', async () => {
      const { bench, other } = await keepSilent()
      const asked: string[][] = [other.takeLines()]
      for (let time = 0; time < 2; time++) {
        await pass(bench, other, 75)
        asked.push(other.takeLines())
      }
      expect(asked).toEqual([['want 0'], ['want 1'], ['want 2', 'want 3', 'want 4']])
    })

    test('is not asked for the rest if the first was quicker with that', async () => {
      const { bench, a, other } = await keepSilent()
      await a.send(0)
      await pass(bench, other, 50)
      expect(other.takeLines()).toEqual(['want 0', 'cancel 0'])
    })

    function spendHedges({ fetcher }: Bench): void {
      while (fetcher.takeHedge()) {}
    }

    test('is asked for the rest at once and without a budget when it is quicker with one', async () => {
      const { bench, other } = await keepSilent()
      await pass(bench, other, 25)
      other.takeLines()
      spendHedges(bench)
      await other.send(0)
      await bench.settle()
      expect(other.takeLines()).toEqual(['want 1', 'want 2', 'want 3', 'want 4'])
    })

    test('is not, without a budget, if the first has sent anything', async () => {
      const { bench, a, other } = await keepSilent()
      await pass(bench, other, 25)
      other.takeLines()
      spendHedges(bench)
      a.trickle(1)
      await other.send(0)
      await bench.settle()
      expect(other.takeLines()).toEqual([])
    })

    test('is not, without a budget, if blocks are large', async () => {
      const { bench, other } = await keepSilent()
      await pass(bench, other, 25)
      const { cid, prefix, data } = await blockOf(99, 1_048_576)
      void bench.fetcher.getBlock(cid)
      await other.sendBytes(prefix, data)
      await bench.settle()
      other.takeLines()
      spendHedges(bench)
      await other.send(0)
      await bench.settle()
      expect(other.takeLines()).toEqual([])
    })

    test('is asked for each thing once it has been quicker with one, until the first sends another', async () => {
      const { bench, a, other } = await keepSilent()
      await other.send(0)
      await pass(bench, other, 25)
      for (const number of [1, 2, 3, 4]) await other.send(number)
      await bench.settle()
      a.takeLines()
      await askOnly(bench, a, other, [5, 6])
      await pass(bench, other, 75)
      expect(other.takeLines()).toEqual(['want 5', 'want 6'])
      for (const number of [5, 6]) await a.send(number)
      await bench.advance(1_000)
      a.takeLines()
      await askOnly(bench, a, other, [7, 8])
      await pass(bench, other, 75)
      expect(other.takeLines()).toEqual(['want 7'])
    })
  })

  test('is asked for free only as long as none of those asked has ever delivered', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [known, slow] = (await withKnown(bench, 100, 120)) as [FakePeer, FakePeer]
    bench.protection.isolate(known.link.key)
    bench.protection.isolate(slow.link.key)
    const [a] = bench.connect(1) as [FakePeer]
    bench.get(0)
    await bench.settle()
    expect(a.takeLines()).toEqual(['want 0'])
    bench.protection.release(known.link.key)
    bench.protection.release(slow.link.key)
    await bench.advance(150)
    expect([known.takeLines(), slow.takeLines()]).toEqual([['want 0'], []])
    await bench.advance(75)
    expect(slow.takeLines()).toEqual([])
  })

  test('that comes later is asked as well', async () => {
    const bench = new Bench()
    const [a] = (await withKnown(bench, 100)) as [FakePeer]
    bench.get(0)
    await bench.advance(150)
    const [b] = bench.connect(1) as [FakePeer]
    await bench.advance(125)
    expect([a.takeLines(), b.takeLines()]).toEqual([['want 0'], ['want 0']])
  })

  test('is asked without a budget when it says that it has the block', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a] = (await withKnown(bench, 50)) as [FakePeer]
    for (let number = 0; number < 10; number++) {
      const got = bench.get(number)
      await bench.settle()
      a.tell(number, false)
      got.abort()
    }
    const [b] = (await withKnown(bench, 300)) as [FakePeer]
    a.takeLines()
    useUpTrials(bench)
    bench.get(20)
    await bench.settle()
    b.tell(20, true)
    await bench.advance(25)
    expect([a.takeLines(), b.takeLines()]).toEqual([['want 20'], ['have? 20']])
    await bench.advance(50)
    expect(b.takeLines()).toEqual(['cancel 20', 'want 20'])
  })

  test('is not earned by asking who has a block', async () => {
    const bench = new Bench({ hedgeShare: 0.1 })
    bench.connect(33)
    while (bench.fetcher.takeHedge()) {}
    bench.get(0)
    expect(bench.fetcher.takeHedge()).toBe(false)
  })

  test('that does not exist costs nothing of the budget', async () => {
    const bench = new Bench({ hedgeShare: 0.01 })
    const [a] = (await withKnown(bench, 50)) as [FakePeer]
    bench.get(0)
    for (let time = 0; time < 20; time++) {
      await bench.advance(100)
      a.trickle(1_000)
    }
    let left = 0
    while (bench.fetcher.takeHedge()) left++
    expect(left).toBe(10)
  })

  test('and a third are asked as time goes on', async () => {
    const bench = new Bench({ hedgeShare: 1 })
    const [a, b, c] = (await withKnown(bench, 100, 110, 120)) as [FakePeer, FakePeer, FakePeer]
    bench.get(0)
    await bench.advance(225)
    a.trickle(1)
    await bench.advance(25)
    expect([a, b, c].map(peer => peer.takeLines())).toEqual([['want 0'], ['want 0'], ['want 0']])
  })

  test('is asked for a word only once when nothing arrives at all, and then no earlier than others', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a, b, c] = (await withKnown(bench, 100, 110, 120)) as FakePeer[]
    for (let number = 0; number < 2; number++) bench.get(number)
    await bench.advance(150)
    expect([a, b, c].map(peer => peer!.takeLines())).toEqual([
      ['want 0', 'have? 1'],
      ['want 1', 'have? 0'],
      ['have? 0', 'have? 1']
    ])
    await bench.advance(600)
    expect([a, b, c].map(peer => peer!.takeLines())).toEqual([[], [], []])
  })

  test('is asked for a word only, at no cost, when nothing arrives at all', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a, b, c, d] = (await withKnown(bench, 100, 110, 120, 120)) as FakePeer[]
    for (let number = 0; number < 2; number++) bench.get(number)
    await bench.settle()
    expect([a, b, c, d].map(peer => peer!.takeLines())).toEqual([['want 0'], ['want 1'], [], []])
    c!.trickle(1)
    await bench.advance(150)
    expect(a!.takeLines()).toEqual(['have? 1'])
    expect(d!.takeLines()).toEqual(['have? 0', 'have? 1'])
    // There is a way after all; who was asked first has a little longer.
    d!.tell(0, true)
    await bench.advance(25)
    expect(d!.takeLines()).toEqual([])
    await bench.advance(25)
    expect(d!.takeLines()).toEqual(['cancel 0', 'want 0'])
  })

  test('that comes later is asked even if the one before was only asked for a word', async () => {
    const bench = new Bench()
    const known = await withKnown(bench, 100, 110, 120)
    for (const { link } of known) bench.protection.isolate(link.key)
    const [untried] = bench.connect(1) as [FakePeer]
    bench.get(0)
    await bench.settle()
    for (const { link } of known) bench.protection.release(link.key)
    await bench.advance(600)
    expect([untried, ...known].map(peer => peer.takeLines())).toEqual([
      ['want 0'],
      ['want 0'],
      ['want 0'],
      ['have? 0']
    ])
    const [late] = bench.connect(1) as [FakePeer]
    await bench.advance(150)
    expect(late.takeLines()).toEqual(['have? 0'])
  })

  test('is not asked once the block is there', async () => {
    const bench = new Bench()
    const [a, b] = (await withKnown(bench, 100, 110)) as [FakePeer, FakePeer]
    bench.get(0)
    await bench.advance(75)
    await a.send(0)
    await bench.advance(1_000)
    expect(b.takeLines()).toEqual([])
  })
})

describe('when nobody can be asked', () => {
  test('a peer that comes is asked', async () => {
    const bench = new Bench()
    const got = bench.get(0)
    await bench.advance(300)
    const [a] = bench.connect(1) as [FakePeer]
    await bench.settle()
    expect(a.takeLines()).toEqual(['want 0'])
    await a.send(0)
    await bench.settle()
    expect(got.bytes).toEqual(blocks[0]!.data)
  })

  test('a peer that comes while others are asked, of which nothing is known, is asked as they are', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    const got = bench.get(0)
    await bench.settle()
    const [b] = bench.connect(1) as [FakePeer]
    await bench.settle()
    expect(b.takeLines()).toEqual(['want 0'])
    expect(got.asked).toEqual([a, b].map(({ link }) => link.peer))
    const [c, d] = bench.connect(2) as [FakePeer, FakePeer]
    await bench.settle()
    expect([c.takeLines(), d.takeLines()]).toEqual([['want 0'], ['have? 0']])
    // One that is asked for another block is not waited for.
    d.tell(0, true)
    for (const peer of [a, b]) peer.tell(0, false)
    await bench.settle()
    expect(d.takeLines()).toContain('want 0')
  })

  test('a peer that comes while one that is known is asked is asked when its turn comes', async () => {
    const bench = new Bench()
    const [a] = (await withKnown(bench, 50)) as [FakePeer]
    bench.get(0)
    await bench.settle()
    const [b] = bench.connect(1) as [FakePeer]
    await bench.settle()
    expect(b.takeLines()).toEqual([])
    a.tell(0, false)
    await bench.settle()
    expect(b.takeLines()).toContain('have? 0')
    b.tell(0, true)
    await bench.settle()
    expect(b.takeLines()).toContain('want 0')
  })

  test('a peer that says it lacks the block is not asked again, but what it sends later is taken', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    const got = bench.get(0)
    await bench.settle()
    expect(a.tell(0, false)).toBe(true)
    await bench.advance(10_000)
    expect(a.takeLines()).toEqual(['want 0'])
    await a.send(0)
    await bench.settle()
    expect(got.bytes).toEqual(blocks[0]!.data)
    expect([a.failures, a.faults]).toEqual([0, []])
  })

  test('who has said nothing is asked once more: after 1, 2, and then every 4 seconds', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    bench.get(0)
    const askedAt: number[] = []
    for (let step = 0; step < 1_000; step++) {
      await bench.advance(25)
      for (const message of a.takeMessages()) {
        // Taken back first, or it would not be heeded.
        if (message[0] === 'want 0') askedAt.push(bench.clock.now())
        else expect(message).toEqual(['cancel 0'])
      }
    }
    // It has two seconds each time; then nobody is left.
    expect(askedAt).toEqual([25, 3_000, 7_000, 13_000, 19_000, 25_000])
  })

  test('who has said nothing is asked once more up to twice as early, so that not all are at once', async () => {
    const bench = new Bench({ random: () => 0.999 })
    const [a] = bench.connect(1) as [FakePeer]
    bench.get(0)
    await bench.advance(2_025)
    a.takeLines()
    await bench.advance(475)
    expect(a.takeLines()).toEqual([])
    await bench.advance(50)
    expect(a.takeLines()).toEqual(['cancel 0', 'want 0'])
  })

  test('who is waited for still is not asked once more', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [known] = (await withKnown(bench, 50)) as [FakePeer]
    bench.get(0)
    await bench.settle()
    known.tell(0, false)
    await bench.advance(700)
    const [a] = bench.connect(1) as [FakePeer]
    await bench.settle()
    expect(a.takeLines()).toEqual(['want 0'])
    // Those who said nothing are asked once more after a second; this one has only been asked.
    await bench.advance(1_000)
    expect(a.takeLines()).toEqual([])
    await bench.advance(4_000)
    expect(a.takeLines()).toEqual(['cancel 0', 'want 0'])
  })

  test('what is asked meanwhile is taken back when the caller gives up, and nobody is blamed', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [known, other] = (await withKnown(bench, 50, 50)) as [FakePeer, FakePeer]
    const got = bench.get(0)
    await bench.settle()
    for (const peer of [known, other]) peer.tell(0, false)
    await bench.advance(700)
    const [a] = bench.connect(1) as [FakePeer]
    await bench.advance(400)
    got.abort()
    await bench.settle()
    expect(a.takeLines()).toEqual(['want 0', 'cancel 0'])
    await bench.advance(3_000)
    bench.get(1)
    await bench.settle()
    await known.send(1)
    await other.send(1)
    await bench.advance(REST_MS)
    expect([a.failures, a.faults]).toEqual([0, []])
    expect(bench.remains).toEqual(NOTHING)
  })

  test('a question that was not answered is taken back with the rest', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a, b, c] = (await withKnown(bench, 50, 60, 60)) as [FakePeer, FakePeer, FakePeer]
    bench.get(0)
    await bench.settle()
    a.tell(0, false)
    await bench.settle()
    b.tell(0, true)
    await bench.settle()
    // It gets on, so that c is not asked for the block.
    for (let time = 0; time < 24; time++) {
      await bench.advance(25)
      b.trickle(250)
    }
    expect(c.takeLines()).toEqual(['have? 0'])
    await b.send(0)
    await bench.settle()
    await bench.advance(REST_MS)
    expect(c.takeLines()).toEqual(['cancel 0'])
    expect(bench.remains).toEqual(NOTHING)
  })

  test('who lost what it was asked with its stream is asked again after a second', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    bench.get(0)
    await bench.settle()
    a.stream.reset()
    await bench.advance(975)
    expect(a.takeLines()).toEqual(['want 0'])
    await bench.advance(50)
    expect(a.takeLines()).toEqual(['cancel 0', 'want 0'])
  })

  test('who has told others that it lacks the block is asked after a second, as it may have it by now', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    const got = bench.get(0)
    await bench.settle()
    a.tell(0, false)
    got.abort()
    await bench.settle()
    a.takeLines()
    bench.get(0)
    await bench.advance(975)
    expect(a.takeLines()).toEqual([])
    await bench.advance(50)
    expect(a.takeLines().slice(-2)).toEqual(['cancel 0', 'want 0'])
    // Having told this one, it is not asked again.
    a.tell(0, false)
    await bench.advance(10_000)
    expect(a.takeLines()).toEqual([])
  })

  test('who has told others that it lacks the block is not asked as long as somebody else is', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a] = bench.connect(1) as [FakePeer]
    const got = bench.get(0)
    await bench.settle()
    a.tell(0, false)
    got.abort()
    bench.get(0)
    await bench.advance(500)
    a.takeLines()
    const [b] = bench.connect(1) as [FakePeer]
    for (let time = 0; time < 4; time++) {
      await bench.advance(500)
      b.trickle(2_048)
    }
    expect(b.takeLines()).toEqual(['want 0'])
    expect(a.takeLines().filter(line => line !== 'cancel 0')).toEqual([])
  })

  test('a peer that has room again is asked', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    for (let number = 0; number < 6; number++) bench.get(number)
    await bench.settle()
    expect(a.takeLines()).toEqual(['want 0', 'want 1', 'want 2', 'want 3'])
    await a.send(2)
    await bench.settle()
    // One more at once with each that arrives.
    expect(a.takeLines()).toEqual(['want 4', 'want 5'])
  })

  test('providers are looked for at once when the last peer that had no room is gone', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    for (let number = 0; number < 5; number++) bench.get(number)
    await bench.settle()
    expect(bench.searches).toHaveLength(0)
    a.leave(false)
    await bench.settle()
    expect(bench.searches.map(({ number }) => number)).toContain(4)
  })

  test('also one that never delivered anything, if there are no others', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    const gots = [0, 1, 2, 3, 4].map(number => bench.get(number))
    await bench.settle()
    expect(a.takeLines()).toEqual(['want 0', 'want 1', 'want 2', 'want 3'])
    gots[0]!.abort()
    await bench.settle()
    expect(a.takeLines()).toEqual(['cancel 0', 'want 4'])
  })

  test('also one that never delivered anything, if those who did are refused', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a] = (await withKnown(bench, 200)) as [FakePeer]
    useUpTrials(bench)
    bench.protection.isolate(a.link.key)
    const [b] = bench.connect(1) as [FakePeer]
    const gots = [0, 1, 2, 3, 4].map(number => bench.get(number))
    await bench.settle()
    expect(b.takeLines()).toEqual(['want 0', 'want 1', 'want 2', 'want 3'])
    gots[0]!.abort()
    await bench.settle()
    expect([a.takeLines(), b.takeLines()]).toEqual([[], ['cancel 0', 'want 4']])
  })
})

describe('other providers', () => {
  test('are looked for at once when nobody is connected, or everybody lacks the block', async () => {
    const bench = new Bench()
    bench.get(0)
    expect(bench.searches.map(({ number }) => number)).toEqual([0])
    const [a, b] = bench.connect(2) as [FakePeer, FakePeer]
    bench.get(1)
    await bench.settle()
    a.tell(1, false)
    expect(bench.searches).toHaveLength(1)
    b.tell(1, false)
    expect(bench.searches.map(({ number }) => number)).toEqual([0, 1])
  })

  test('are looked for when there is no block after a second', async () => {
    const bench = new Bench()
    bench.connect(1)
    bench.get(0)
    await bench.advance(975)
    expect(bench.searches).toEqual([])
    await bench.advance(50)
    expect(bench.searches.map(({ number }) => number)).toEqual([0])
  })

  test('are looked for at once when whoever was asked has failed', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    bench.get(0)
    await bench.settle()
    expect(bench.searches).toEqual([])
    a.stream.reset()
    expect(bench.searches).toHaveLength(1)
  })

  test('are looked for at once when nobody who is connected may be asked', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    bench.protection.isolate(a.link.key)
    bench.get(0)
    expect(bench.searches).toHaveLength(1)
  })

  test('are not looked for while somebody only has to have room, or to say whether he has it', async () => {
    const bench = new Bench()
    const [a, b, c, d] = bench.connect(4) as FakePeer[]
    bench.get(0)
    await bench.settle()
    for (const peer of [a, b, c]) peer!.tell(0, false)
    await bench.advance(500)
    expect(d!.takeLines()).toEqual(['have? 0'])
    expect(bench.searches).toEqual([])
    for (let number = 1; number < 20; number++) bench.get(number)
    await bench.settle()
    expect(bench.searches).toEqual([])
  })

  test('are not looked for while somebody who lacked it before is asked whether he has it by now', async () => {
    const bench = new Bench()
    const [a, b] = bench.connect(2) as [FakePeer, FakePeer]
    const got = bench.get(0)
    await bench.settle()
    for (const peer of [a, b]) peer.tell(0, false)
    got.abort()
    bench.get(0)
    await bench.advance(1_025)
    for (const peer of [a, b]) peer.takeLines()
    const before = bench.searches.length
    a.tell(0, false)
    expect(bench.searches).toHaveLength(before)
    b.tell(0, false)
    expect(bench.searches).toHaveLength(before + 1)
  })

  test('are looked for once until those who are silent are asked again, whatever becomes of other blocks', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    bench.get(0)
    await bench.settle()
    a.tell(0, false)
    await bench.settle()
    expect(bench.searches).toHaveLength(1)
    for (let number = 1; number < 10; number++) {
      bench.get(number)
      await bench.settle()
      await a.send(number)
      await bench.settle()
    }
    expect(bench.searches).toHaveLength(1)
    await bench.advance(1_100)
    expect(bench.searches.length).toBeGreaterThan(1)
    expect(bench.searches.length).toBeLessThan(4)
  })

  test('are looked for by one search at a time, which ends with the fetch', async () => {
    const bench = new Bench()
    bench.onSearch = () => new Promise(() => {})
    const [got, other] = [bench.get(0), bench.get(1)]
    await bench.advance(9_000)
    expect(bench.searches.map(({ number }) => number)).toEqual([0, 1])
    got.abort()
    expect(bench.searches.map(({ signal }) => signal.aborted)).toEqual([true, false])
    expect(other.isPending).toBe(true)
  })

  test('are looked for once more when those there are do not do', async () => {
    const bench = new Bench()
    const [a, b] = bench.connect(2) as [FakePeer, FakePeer]
    const got = [bench.get(0), bench.get(1)]
    await bench.settle()
    bench.fetcher.searchMore()
    expect(bench.searches.map(({ number }) => number)).toEqual([0, 1])
    for (const number of [0, 1]) for (const peer of [a, b]) await peer.send(number)
    await bench.settle()
    expect(got.map(({ isPending }) => isPending)).toEqual([false, false])
    bench.fetcher.searchMore()
    expect(bench.searches).toHaveLength(2)
  })

  test('are looked for again after a search that failed', async () => {
    const bench = new Bench()
    bench.onSearch = () => Promise.reject(new Error('no network'))
    const got = bench.get(0)
    // At once, after a second, and each time that those who are silent would be asked once more.
    await bench.advance(8_000)
    expect(bench.searches.length).toBeGreaterThan(3)
    expect(got.isPending).toBe(true)
  })
})

describe('providers that were given', () => {
  /** For which blocks more of them were to be connected to, since last asked. */
  function takeMore(bench: Bench): number[] {
    return bench.more.splice(0)
  }

  test('are connected to when nothing comes, and again, as soon as a block takes long, or a peer does not do', async () => {
    const bench = new Bench()
    const [a, b] = bench.connect(2) as [FakePeer, FakePeer]
    bench.get(0)
    await bench.advance(MORE_AFTER_MS - 25)
    expect(takeMore(bench)).toEqual([])
    await bench.advance(50)
    expect(takeMore(bench)).toEqual([0])
    await bench.advance(50)
    expect(takeMore(bench)).toEqual([])
    await bench.advance(50)
    expect(takeMore(bench)).toEqual([0])
    await bench.advance(UNKNOWN_HEDGE_MS - 2 * MORE_AFTER_MS)
    expect(takeMore(bench)).toEqual([0])
    a.tell(0, false)
    expect(takeMore(bench)).toEqual([0])
    await b.send(0)
    await bench.settle()
    expect(takeMore(bench)).toEqual([])
  })

  test('are not connected to while other blocks come', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    for (const number of [0, 1]) bench.get(number)
    await bench.advance(MORE_AFTER_MS - 50)
    await a.send(0)
    await bench.advance(100)
    expect(takeMore(bench)).toEqual([])
    // Nothing came since this one is wanted.
    bench.get(2)
    await bench.advance(MORE_AFTER_MS + 25)
    expect(takeMore(bench)).toContain(2)
  })

  test('are connected to for what waits a quarter of a second for somebody to have room, and again', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a] = (await withKnown(bench, 10)) as [FakePeer]
    const last = WINDOW + 2
    for (let number = 0; number <= last; number++) bench.get(number)
    await bench.advance(25)
    await a.send(0)
    await bench.settle()
    // With each block there is room for one more.
    expect(a.takeLines()).toHaveLength(last)
    const more = async (ms: number): Promise<number[]> => {
      for (let passedMs = 0; passedMs < ms; passedMs += 25) {
        // It gets on, with what it was asked for.
        a.trickle(16_384)
        await bench.advance(25)
      }
      return takeMore(bench).filter(number => number === last)
    }
    expect(await more(200)).toEqual([])
    expect(await more(50)).toEqual([last])
    expect(await more(200)).toEqual([])
    expect(await more(50)).toEqual([last])
  })

  test('are not connected to again, as nothing comes, while some are being connected to', async () => {
    const bench = new Bench()
    let fetch: BlockFetch | undefined
    bench.onFetch = begun => {
      fetch = begun
    }
    bench.get(0)
    await bench.advance(MORE_AFTER_MS + 25)
    expect(takeMore(bench)).toEqual([0])
    const connected = Promise.withResolvers<void>()
    fetch!.expectPeers(connected.promise)
    await bench.advance(MORE_AFTER_MS)
    expect(takeMore(bench)).toEqual([])
    connected.resolve()
    await bench.advance(MORE_AFTER_MS)
    expect(takeMore(bench)).toEqual([0])
  })

  test('end the fetch if the caller gives up when told of them', async () => {
    const bench = new Bench()
    const got = bench.get(0)
    bench.onMore = () => got.abort()
    await bench.advance(REST_MS)
    expect([takeMore(bench), bench.remains]).toEqual([[0], NOTHING])
  })

  test('end one that waits for somebody to have room if the caller gives up when told of them', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a] = (await withKnown(bench, 10)) as [FakePeer]
    const others = Array.from({ length: WINDOW + 2 }, (_, number) => bench.get(number))
    const waits = bench.get(WINDOW + 2)
    await a.send(0)
    bench.onMore = () => {
      if (bench.more.includes(WINDOW + 2)) waits.abort()
    }
    for (let passedMs = 0; passedMs <= CROWDED_MS; passedMs += 25) {
      a.trickle(16_384)
      await bench.advance(25)
    }
    expect(bench.more).toContain(WINDOW + 2)
    for (const other of others) other.abort()
    await bench.advance(REST_MS)
    expect(bench.remains).toEqual(NOTHING)
  })

  test('are not connected to for what is asked of somebody by then, though others have no room', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const peers = await withKnown(bench, 10, 10)
    for (let number = 0; number <= 2 * WINDOW; number++) bench.get(number)
    await bench.settle()
    const asked = peers.map(peer => peer.takeLines())
    expect(asked.map(lines => lines.length)).toEqual([WINDOW, WINDOW])
    const more = async (ms: number): Promise<number[]> => {
      takeMore(bench)
      for (let passedMs = 0; passedMs < ms; passedMs += 25) {
        for (const peer of peers) peer.trickle(16_384)
        await bench.advance(25)
      }
      return takeMore(bench).filter(number => number === 2 * WINDOW)
    }
    await more(200)
    await peers[0]!.send(Number(asked[0]![0]!.replace('want ', '')))
    await bench.settle()
    expect(peers[0]!.takeLines()).toEqual([`want ${2 * WINDOW}`])
    expect(await more(150)).toEqual([])
  })

  test('are connected to when nobody who is connected says that it has the block, again and again', async () => {
    const bench = new Bench()
    const [a] = (await withKnown(bench, 100)) as [FakePeer]
    useUpTrials(bench)
    const [b] = bench.connect(1) as [FakePeer]
    takeMore(bench)
    bench.get(0)
    await bench.settle()
    a.tell(0, false)
    await bench.settle()
    expect([a.takeLines(), b.takeLines()]).toEqual([['want 0'], ['have? 0']])
    expect(takeMore(bench)).toEqual([0])
    await bench.advance(50)
    expect(takeMore(bench)).toEqual([])
    await bench.advance(100)
    // As nothing came at all, and as the word is late.
    expect(takeMore(bench)).toEqual([0, 0])
    await bench.advance(125)
    expect(takeMore(bench)).toEqual([0, 0])
  })

  test('are not connected to for a block that nobody waits for any longer', async () => {
    const bench = new Bench()
    const got = bench.get(0)
    await bench.advance(25)
    got.abort()
    await bench.advance(REST_MS)
    expect(takeMore(bench)).toEqual([])
    expect(bench.remains).toEqual(NOTHING)
  })

  test('are waited for, before others are looked for', async () => {
    const bench = new Bench()
    const connected = Promise.withResolvers<void>()
    bench.onFetch = fetch => fetch.expectPeers(connected.promise)
    bench.get(0)
    await bench.settle()
    expect(bench.searches).toEqual([])
    connected.resolve()
    await bench.settle()
    expect(bench.searches).toMatchObject([{ number: 0 }])
  })

  test('are not asked for again while some are being connected to', async () => {
    const bench = new Bench()
    const connected = Promise.withResolvers<void>()
    bench.onFetch = fetch => fetch.expectPeers(connected.promise)
    const [a, b] = bench.connect(2) as [FakePeer, FakePeer]
    bench.get(0)
    await bench.settle()
    a.tell(0, false)
    expect(takeMore(bench)).toEqual([])
    connected.reject(new Error('no network'))
    await bench.settle()
    b.tell(0, false)
    expect(takeMore(bench)).toEqual([0])
  })

  test('are asked for all the same when those being connected to take more than 200 ms', async () => {
    const bench = new Bench()
    const connected = Promise.withResolvers<void>()
    bench.onFetch = fetch => fetch.expectPeers(connected.promise)
    const [a, b, c] = bench.connect(3) as [FakePeer, FakePeer, FakePeer]
    const got = bench.get(0)
    await bench.advance(175)
    // As nothing came; those that are being connected to may be unreachable.
    expect(takeMore(bench)).toEqual([0])
    a.tell(0, false)
    expect(takeMore(bench)).toEqual([])
    await bench.advance(25)
    expect(takeMore(bench)).toEqual([0])
    b.tell(0, false)
    expect(takeMore(bench)).toEqual([0])
    // That they are connected in the end changes nothing.
    connected.resolve()
    await bench.settle()
    c.tell(0, false)
    expect(takeMore(bench)).toEqual([0])
    got.abort()
    await bench.advance(REST_MS)
    expect(bench.remains).toEqual(NOTHING)
  })
})

describe('peers that are not allowed', () => {
  test('are asked for nothing', async () => {
    const bench = new Bench({ isAllowed: key => key !== peerOf(1).toString() })
    const [excluded, allowed] = bench.connect(2) as [FakePeer, FakePeer]
    const got = bench.get(0)
    await bench.settle()
    expect(excluded.takeLines()).toEqual([])
    await allowed.send(0)
    await bench.settle()
    expect(got.bytes).toBeDefined()
  })
})

describe('a delivery', () => {
  test('is told of, once for each block', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    bench.get(0)
    await bench.settle()
    await a.send(0)
    await a.send(0)
    await bench.settle()
    expect(bench.deliveries).toEqual([{ link: a.link, wasRefused: false }])
  })

  test('from a peer that would not have been asked is told as such', async () => {
    const bench = new Bench({ mode: 'observe' })
    const [a] = bench.connect(1) as [FakePeer]
    bench.protection.isolate(a.link.key)
    bench.get(0)
    await bench.settle()
    await a.send(0)
    await bench.settle()
    expect(bench.deliveries).toEqual([{ link: a.link, wasRefused: true }])
  })
})

describe('a peer on probation', () => {
  /** A peer that was OPEN, and may be tried now. */
  async function withProbation(): Promise<{ bench: Bench; steady: FakePeer; probed: FakePeer }> {
    const bench = new Bench({
      breaker: {
        readyToTrip: tripAt({ consecutiveFailures: 1 }),
        timeoutMs: 1_000,
        maxRequests: 5,
        successThreshold: 1
      }
    })
    const [steady] = (await withKnown(bench, 50)) as [FakePeer]
    const [probed] = bench.connect(1) as [FakePeer]
    bench.protection.admit(probed.link.key).settle('failure')
    expect(probed.status?.circuitState).toBe('OPEN')
    bench.get(60)
    await bench.settle()
    expect(probed.takeLines()).toEqual([])
    await steady.send(60)
    await bench.advance(1_025)
    expect(probed.status?.circuitState).toBe('HALF_OPEN')
    steady.takeLines()
    return { bench, steady, probed }
  }

  test('is asked besides one that is well, so that nobody waits for it', async () => {
    const { bench, steady, probed } = await withProbation()
    const got = bench.get(0)
    await bench.settle()
    expect([steady.takeLines(), probed.takeLines()]).toEqual([['want 0'], ['want 0']])
    await steady.send(0)
    await bench.settle()
    expect(got.from).toEqual([steady.link.peer])
    expect(probed.takeLines()).toEqual([])
    expect(probed.status?.circuitState).toBe('HALF_OPEN')
    // It may take its time.
    await bench.advance(1_000)
    await probed.send(0)
    expect([probed.status?.circuitState, probed.inFlight]).toEqual(['CLOSED', 0])
  })

  test('is asked besides before one that is new', async () => {
    const { bench, probed } = await withProbation()
    const [unknown] = bench.connect(1) as [FakePeer]
    // So that it is the last to come.
    probed.leave(false)
    probed.connect()
    bench.get(0)
    await bench.settle()
    expect([unknown.takeLines(), probed.takeLines()]).toEqual([[], ['want 0']])
  })

  test('is not asked any more when the caller gives up', async () => {
    const { bench, probed } = await withProbation()
    const got = bench.get(0)
    await bench.settle()
    got.abort()
    await bench.settle()
    expect(probed.takeLines()).toEqual(['want 0', 'cancel 0'])
    expect([probed.status?.circuitState, probed.inFlight]).toEqual(['HALF_OPEN', 0])
  })

  test('may deliver, and is well again', async () => {
    const { bench, steady, probed } = await withProbation()
    const got = bench.get(0)
    await bench.settle()
    await probed.send(0)
    await bench.settle()
    expect(got.from).toEqual([probed.link.peer])
    expect(steady.takeLines()).toEqual(['want 0', 'cancel 0'])
    expect(probed.status?.circuitState).toBe('CLOSED')
  })

  test('is one of the peers asked for a block, not more', async () => {
    const { bench, steady, probed } = await withProbation()
    const [other] = bench.connect(1) as [FakePeer]
    bench.protection.admit(other.link.key).settle('failure')
    await bench.advance(1_025)
    expect(other.status?.circuitState).toBe('HALF_OPEN')
    const [second] = (await withKnown(bench, 60)) as [FakePeer]
    for (const peer of [steady, probed, other]) peer.takeLines()
    bench.get(0)
    await bench.advance(100)
    expect([steady.takeLines(), second.takeLines()]).toEqual([['want 0'], ['want 0']])
    expect([...probed.takeLines(), ...other.takeLines()]).toEqual(['want 0'])
  })

  test('is asked alone where there is no other', async () => {
    const { bench, steady, probed } = await withProbation()
    steady.leave(false)
    bench.get(0)
    await bench.settle()
    expect(probed.takeLines()).toEqual(['want 0'])
  })

  test('whose time out is over is asked as soon as that is noticed, and nobody twice', async () => {
    const { bench, steady, probed } = await withProbation()
    bench.protection.admit(probed.link.key).settle('failure')
    expect(probed.status?.circuitState).toBe('OPEN')
    // The event loop was held up: it is over, and nobody was told.
    bench.skip(60_000)
    bench.get(0)
    await bench.settle()
    expect(steady.takeLines()).toEqual(['want 0'])
    expect(probed.takeLines()).toEqual(['want 0'])
  })
})

describe('a peer that is suspected', () => {
  test('is not waited for: others are asked at once what it was asked', async () => {
    const bench = new Bench()
    const [a, b] = (await withKnown(bench, 50, 90)) as [FakePeer, FakePeer]
    const got = bench.get(0)
    await bench.settle()
    bench.protection.suspect(a.link.key)
    bench.fetcher.suspected(a.link)
    await bench.settle()
    expect([a.takeLines(), b.takeLines()]).toEqual([['want 0'], ['want 0']])
    // What it sends is taken all the same.
    await a.send(0)
    await bench.settle()
    expect(got.from).toEqual([a.link.peer])
    expect(b.takeLines()).toEqual(['cancel 0'])
    expect([a.failures, b.failures]).toEqual([0, 0])
  })

  test('is told when the block has come from another, and not blamed', async () => {
    const bench = new Bench()
    const [a, b] = (await withKnown(bench, 50, 90)) as [FakePeer, FakePeer]
    bench.get(0)
    await bench.settle()
    bench.protection.suspect(a.link.key)
    bench.fetcher.suspected(a.link)
    await bench.settle()
    await b.send(0)
    await bench.settle()
    expect(a.takeLines()).toEqual(['want 0', 'cancel 0'])
    await bench.advance(REST_MS)
    expect([a.failures, a.faults]).toEqual([0, []])
    expect(bench.remains).toEqual(NOTHING)
  })

  test('has room again once that is over, whatever it has not answered', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    for (let number = 0; number < 4; number++) bench.get(number)
    await bench.settle()
    bench.protection.suspect(a.link.key)
    bench.fetcher.suspected(a.link)
    bench.protection.clearSuspicion(a.link.key)
    bench.fetcher.readmitted()
    a.takeLines()
    bench.get(10)
    await bench.settle()
    expect(a.takeLines()).toEqual(['want 10'])
  })

  test('is asked again once that is over', async () => {
    const bench = new Bench()
    const [a] = (await withKnown(bench, 50)) as [FakePeer]
    bench.protection.suspect(a.link.key)
    bench.fetcher.suspected(a.link)
    bench.get(0)
    await bench.settle()
    expect(a.takeLines()).toEqual([])
    bench.protection.clearSuspicion(a.link.key)
    bench.fetcher.readmitted()
    await bench.settle()
    expect(a.takeLines()).toEqual(['want 0'])
  })

  test('of whom nothing was asked is no matter', async () => {
    const bench = new Bench()
    bench.fetcher.suspected(bench.peer().link)
    const [a] = bench.connect(1) as [FakePeer]
    bench.fetcher.suspected(a.link)
    bench.get(0)
    await bench.settle()
    expect(a.takeLines()).toEqual(['want 0'])
  })
})

describe('a peer that recovers', () => {
  /** A share of what it is offered is let through. */
  async function withRecovering(share: number): Promise<{ bench: Bench; recovering: FakePeer }> {
    const bench = new Bench({
      breaker: {
        readyToTrip: tripAt({ consecutiveFailures: 1 }),
        timeoutMs: 1_000,
        maxRequests: 1,
        successThreshold: 1
      },
      recovery: {
        strategy: 'STEP',
        recoverySteps: [share, 1],
        recoveryIntervalMs: 60_000,
        cooldownPeriodMs: 0
      }
    })
    const [recovering] = bench.connect(1) as [FakePeer]
    bench.protection.admit(recovering.link.key).settle('failure')
    await bench.advance(1_025)
    bench.protection.admit(recovering.link.key).settle('success')
    expect(recovering.status?.circuitState).toBe('CLOSED')
    expect(bench.protection.isSteady(recovering.link.key)).toBe(false)
    return { bench, recovering }
  }

  test('is asked for its share of the blocks, and others for the rest', async () => {
    const { bench, recovering } = await withRecovering(0.5)
    const [other] = bench.connect(1) as [FakePeer]
    const asked = { recovering: 0, other: 0 }
    for (const peer of [recovering, other]) {
      peer.onLine = (word, number) => {
        if (word !== 'want') return
        asked[peer === other ? 'other' : 'recovering']++
        void peer.send(number)
      }
    }
    for (let number = 0; number < 20; number++) {
      const got = bench.get(number)
      await bench.settle()
      expect(got.bytes).toBeDefined()
    }
    // And the other once besides, as neither had delivered anything yet.
    expect(asked).toEqual({ recovering: 10, other: 11 })
  })

  test('is asked for every block that nobody else can be asked for', async () => {
    const { bench, recovering } = await withRecovering(0.1)
    for (let number = 0; number < 3; number++) bench.get(number)
    await bench.settle()
    expect(recovering.takeLines()).toEqual(['want 0', 'want 1', 'want 2'])
  })
})

describe('stopped', () => {
  test('all fetches end with the reason, and nothing is left', async () => {
    const bench = new Bench()
    const [a, b] = bench.connect(2) as [FakePeer, FakePeer]
    const gots = [0, 1, 2, 10].map(number => bench.get(number))
    const joined = bench.get(0)
    await bench.settle()
    a.trickle(10)
    b.stream.reset()
    await bench.advance(2_100)
    // Verdicts are held, as nothing has arrived.
    expect(bench.inFlight).toBeGreaterThan(0)
    const reason = new Error('stopped')
    bench.fetcher.stop(reason)
    await bench.settle()
    for (const got of [...gots, joined]) expect(got.error).toBe(reason)
    expect(bench.remains).toEqual(NOTHING)
    expect([a, b].map(({ failures, faults }) => [failures, faults])).toEqual([
      [0, []],
      [0, []]
    ])
    expect([...a.streams, ...b.streams].some(({ status }) => status === 'open')).toBe(false)
    await bench.advance(10_000)
    expect(bench.remains).toEqual(NOTHING)
    expect(bench.fetcher.expects(a.link)).toBe(false)
    expect([...bench.fetcher.suppliers()]).toEqual([])
  })

  test('while streams are being opened, nothing is left either', async () => {
    const bench = new Bench()
    const [a] = bench.connect(1) as [FakePeer]
    const opening = Promise.withResolvers<void>()
    a.onOpen = () => opening.promise.then(() => a.newStream())
    bench.get(0)
    await bench.settle()
    bench.fetcher.stop(new Error('stopped'))
    opening.resolve()
    await bench.settle()
    expect(a.takeLines()).toEqual([])
    expect(a.stream.status).toBe('closed')
    expect(bench.remains).toEqual(NOTHING)
  })

  test('searches are ended', async () => {
    const bench = new Bench()
    bench.onSearch = () => new Promise(() => {})
    bench.get(0)
    bench.fetcher.stop(new Error('stopped'))
    expect(bench.searches.map(({ signal }) => signal.aborted)).toEqual([true])
  })
})

test('after everything has ended nothing is kept of it but what is remembered of peers', async () => {
  const bench = new Bench()
  const [good, silent, liar, poor] = bench.connect(4) as [FakePeer, FakePeer, FakePeer, FakePeer]
  good.onLine = (word, number) => {
    if (word !== 'cancel') void good.send(number)
  }
  liar.onLine = (word, number) => {
    if (word !== 'cancel') liar.tell(number, true)
  }
  poor.onLine = (word, number) => {
    if (word !== 'cancel') poor.tell(number, false)
  }
  const gots = Array.from({ length: 60 }, (_, number) => bench.get(number))
  for (let round = 0; round < 40; round++) {
    await bench.advance(250)
    gots[round]!.abort()
  }
  for (const got of gots) expect(got.isPending).toBe(false)
  expect(silent.status?.counts.totalSuccesses).toBe(0)
  await bench.advance(REST_MS)
  expect(bench.remains).toEqual(NOTHING)
  for (const peer of [good, silent, liar, poor]) expect(peer.inFlight).toBe(0)
})
