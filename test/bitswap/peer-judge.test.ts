import {
  AbortError,
  type Connection,
  StreamResetError,
  TimeoutError,
  TooManyOutboundProtocolStreamsError,
  UnsupportedProtocolError
} from '@libp2p/interface'
import { CID } from 'multiformats/cid'
import { describe, expect, test } from 'vitest'
import { PeerJudge } from '../../src/bitswap/peer-judge.ts'
import { type PeerLink, PeerLinks } from '../../src/bitswap/peer-link.ts'
import type { WantResult } from '../../src/bitswap/want-result.ts'
import { Deadlines } from '../../src/core/deadlines.ts'
import { type Counts, tripAt } from '../../src/core/index.ts'
import { createProtection, TIMEOUT_MS } from '../support/deterministic-protection.ts'
import { blockOf, cidOf } from './support/messages.ts'
import { FakeConnection } from './support/node.ts'
import { peerOf } from './support/peers.ts'

const WANT_TIMEOUT_MS = 2000
const MAX_SILENCE_MS = 10_000
const MAX_WAIT_MS = 30_000
const TICK_MS = 25
const MAX_OUTSTANDING = 1024

const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' })
const broken = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })

const connection = new FakeConnection(peerOf(1))

/** The oldest connection to a peer. */
function connectionOf({ connections }: PeerLink): Connection | undefined {
  return connections.values().next().value
}

interface Asking {
  readonly from?: PeerLink
  readonly stream?: number
  readonly cancel?: boolean
  readonly sendDontHave?: boolean
  readonly wasRefused?: boolean
}

/** A judge of peers that are connected, whose circuits open at three failures in a row. */
function create({ wantTimeoutMs = WANT_TIMEOUT_MS, slowCallMs = 0 } = {}) {
  const created = createProtection({
    maxEjectedShare: 1,
    // A window without an end, so that all that was ever counted shows.
    breaker: { readyToTrip: tripAt({ consecutiveFailures: 3 }), slowCallMs, intervalMs: 0, bucketPeriodMs: 0 }
  })
  const { protection, clock } = created
  const links = new PeerLinks()
  const deadlines = new Deadlines(clock)
  const told: string[] = []
  const results: Array<[WantResult, number]> = []
  const blocks: Array<[peer: string, wasRefused: boolean]> = []
  const judge = new PeerJudge(
    protection,
    clock,
    links,
    deadlines,
    { wantTimeoutMs },
    {
      onSuspect: ({ key }) => told.push(`suspect ${names.get(key)}`),
      onCleared: ({ key }) => told.push(`cleared ${names.get(key)}`),
      onLost: ({ key }) => told.push(`lost ${names.get(key)}`),
      onWant: (result, elapsedMs) => results.push([result, elapsedMs]),
      onBlock: ({ key }, wasRefused) => blocks.push([names.get(key)!, wasRefused])
    }
  )
  const names = new Map<string, string>()
  const connect = (number: number, name: string): PeerLink => {
    const link = links.claim(peerOf(number))
    link.connections.add(number === 1 ? connection : new FakeConnection(link.peer))
    names.set(link.key, name)
    return link
  }
  const peer = connect(1, 'peer')
  const other = connect(2, 'other')
  // Time awake stands still while nothing is waited for, as a stream always is.
  deadlines.add(24 * 60 * 60_000, () => {})
  const ask = (
    cid: CID | number,
    { from = peer, stream = 1, wasRefused = false, ...wording }: Asking = {}
  ): void => {
    const { bytes } = typeof cid === 'number' ? cidOf(cid) : cid
    judge.asked(from, { stream, connection, wasRefused }, bytes, {
      cancel: false,
      isHave: false,
      sendDontHave: true,
      ...wording
    })
  }
  const advance = (ms: number): void => clock.advance(ms)
  return {
    ...created,
    judge,
    links,
    deadlines,
    peer,
    other,
    ask,
    advance,
    told,
    /** What became of wants so far, which is forgotten. */
    takeResults: () => results.splice(0),
    takeBlocks: () => blocks.splice(0),
    /** Lets time pass in which another peer gives signs of life. */
    advanceAlive: (ms: number): void => {
      for (let passed = 0; passed < ms; passed += TICK_MS) {
        advance(Math.min(TICK_MS, ms - passed))
        judge.heard(other)
      }
    },
    state: (link = peer) => protection.getPeerStatus(link.key)?.circuitState,
    isSuspect: (link = peer) => protection.isSuspect(link.key),
    counts: (link = peer): Pick<Counts, 'totalSuccesses' | 'totalFailures' | 'totalExclusions'> => {
      const {
        totalSuccesses = 0,
        totalFailures = 0,
        totalExclusions = 0
      } = protection.getPeerStatus(link.key)?.counts ?? {}
      return { totalSuccesses, totalFailures, totalExclusions }
    },
    inFlight: (link = peer) => protection.getPeerStatus(link.key)?.inFlight ?? 0,
    /** As somebody of whom one want was not answered. */
    distrust: (link = peer): void => {
      protection.admit(link.key).settle('failure')
    }
  }
}

const success = { totalSuccesses: 1, totalFailures: 0, totalExclusions: 0 }
const failure = { totalSuccesses: 0, totalFailures: 1, totalExclusions: 0 }
const ignored = { totalSuccesses: 0, totalFailures: 0, totalExclusions: 1 }
const nothing = { totalSuccesses: 0, totalFailures: 0, totalExclusions: 0 }

describe('a want', () => {
  test('is a call in flight until it is answered', () => {
    const { ask, judge, peer, counts, inFlight } = create()
    ask(1)
    expect(inFlight()).toBe(1)
    expect(counts()).toEqual(nothing)
    judge.toldPresence(peer, cidOf(1).bytes)
    expect(inFlight()).toBe(0)
    expect(counts()).toEqual(success)
  })

  test('is answered by a block, and it is known how long that took', () => {
    const { ask, judge, peer, advance, counts, takeResults } = create()
    ask(1)
    advance(130)
    judge.sentBlock(peer)
    expect(counts()).toEqual(success)
    expect(takeResults()).toEqual([['answered', 130]])
    expect(peer.answerTime.meanMs).toBe(130)
  })

  test('is answered by word of the block, as well by that it is not there', () => {
    const { ask, judge, peer, counts } = create()
    ask(1)
    ask(2)
    judge.toldPresence(peer, cidOf(2).bytes)
    judge.toldPresence(peer, cidOf(1).bytes)
    expect(counts()).toEqual({ ...success, totalSuccesses: 2 })
  })

  test('is answered once', () => {
    const { ask, judge, peer, counts, takeResults } = create()
    ask(1)
    judge.toldPresence(peer, cidOf(1).bytes)
    judge.toldPresence(peer, cidOf(1).bytes)
    expect(counts()).toEqual(success)
    expect(takeResults()).toHaveLength(1)
  })

  test('is not answered by another peer', () => {
    const { ask, judge, other, inFlight } = create()
    ask(1)
    judge.toldPresence(other, cidOf(1).bytes)
    expect(inFlight()).toBe(1)
  })

  test('for the same hash is the same, whatever the codec of the CID', () => {
    const { ask, judge, peer, counts } = create()
    ask(cidOf(1))
    const { multihash } = cidOf(1)
    // A CID of version 0 is the multihash alone.
    judge.toldPresence(peer, multihash.bytes)
    expect(counts()).toEqual(success)
    // The code of dag-json takes two bytes.
    ask(CID.createV1(0x0129, multihash))
    judge.toldPresence(peer, multihash.bytes)
    expect(counts()).toEqual({ ...success, totalSuccesses: 2 })
  })

  test('that is not answered fails when its time is up, not before', () => {
    const { ask, advanceAlive, counts, takeResults } = create()
    ask(1)
    advanceAlive(WANT_TIMEOUT_MS - TICK_MS)
    expect(counts()).toEqual(nothing)
    advanceAlive(TICK_MS)
    expect(counts()).toEqual(failure)
    expect(takeResults()).toEqual([['failed', WANT_TIMEOUT_MS]])
  })

  test('has its own time, whatever else is waited for', () => {
    const { ask, advanceAlive, counts } = create()
    ask(1)
    advanceAlive(500)
    ask(2)
    advanceAlive(WANT_TIMEOUT_MS - 500)
    expect(counts()).toEqual(failure)
    advanceAlive(500 - TICK_MS)
    expect(counts()).toEqual(failure)
    advanceAlive(TICK_MS)
    expect(counts()).toEqual({ ...failure, totalFailures: 2 })
  })

  test('asked of a peer that is quick by now is not waited for as long as those before, nor after', () => {
    const { ask, peer, advanceAlive, counts, state } = create()
    const becomes = (openMs: number): void => {
      for (let sample = 0; sample < 100; sample++) peer.openTime.sample(openMs)
    }
    // A want takes up to four times this.
    becomes(WANT_TIMEOUT_MS)
    ask(1)
    becomes(0)
    ask(2)
    advanceAlive(TICK_MS)
    ask(3)
    becomes(WANT_TIMEOUT_MS)
    ask(4)
    becomes(0)
    advanceAlive(WANT_TIMEOUT_MS - TICK_MS)
    expect(counts()).toEqual(failure)
    advanceAlive(TICK_MS)
    expect(counts()).toEqual({ ...failure, totalFailures: 2 })
    advanceAlive(3 * WANT_TIMEOUT_MS - 2 * TICK_MS)
    expect(state()).toBe('CLOSED')
    advanceAlive(TICK_MS)
    // The third failure in a row.
    expect(state()).toBe('OPEN')
  })

  test('that is answered too late counts for nothing more', () => {
    const { ask, judge, peer, advanceAlive, counts, takeResults } = create()
    ask(1)
    advanceAlive(WANT_TIMEOUT_MS)
    judge.toldPresence(peer, cidOf(1).bytes)
    expect(counts()).toEqual(failure)
    expect(takeResults()).toHaveLength(1)
    expect(peer.answerTime.isKnown).toBe(false)
  })

  test('that is not answered may fail all, and opens the circuit', () => {
    const { ask, advanceAlive, state } = create()
    for (const number of [1, 2, 3]) ask(number)
    advanceAlive(WANT_TIMEOUT_MS)
    expect(state()).toBe('OPEN')
  })

  test('is no longer waited for once it is taken back, which is held against nobody', () => {
    const { ask, advanceAlive, counts, inFlight, peer } = create()
    ask(1)
    ask(1, { cancel: true })
    expect(inFlight()).toBe(0)
    expect(peer.wants.size).toBe(0)
    advanceAlive(WANT_TIMEOUT_MS)
    expect(counts()).toEqual(ignored)
  })

  test('can be taken back without having been asked', () => {
    const { ask, advanceAlive, counts, inFlight } = create()
    ask(1, { cancel: true })
    advanceAlive(WANT_TIMEOUT_MS)
    expect(counts()).toEqual(nothing)
    expect(inFlight()).toBe(0)
  })

  test('repeated while it is waited for is the same want', () => {
    const { ask, judge, peer, counts, inFlight } = create()
    ask(1)
    ask(1)
    expect(inFlight()).toBe(1)
    judge.toldPresence(peer, cidOf(1).bytes)
    expect(inFlight()).toBe(0)
    expect(counts()).toEqual(success)
  })

  test('for something that is no CID is none', () => {
    const { judge, peer, counts, inFlight } = create()
    const entry = { cancel: false, isHave: false, sendDontHave: true }
    for (const bytes of [[], [1], [1, 255], [255, 255, 255], [1, 0x55, 0x12, 32, 1], [2, 0x55, 0x12, 1, 1]]) {
      judge.asked(
        peer,
        { stream: 1, connection: undefined, wasRefused: false },
        Uint8Array.from(bytes),
        entry
      )
      judge.asked(peer, { stream: 1, connection: undefined, wasRefused: false }, Uint8Array.from(bytes), {
        ...entry,
        cancel: true
      })
      judge.toldPresence(peer, Uint8Array.from(bytes))
    }
    expect(inFlight()).toBe(0)
    expect(counts()).toEqual(nothing)
  })

  test('also counts while the circuit is half-open, as a probe', () => {
    const { ask, judge, peer, protection, clock, state } = create()
    protection.trip(peer.key)
    clock.advance(TIMEOUT_MS + 1)
    expect(state()).toBe('HALF_OPEN')
    ask(1)
    judge.toldPresence(peer, cidOf(1).bytes)
    expect(state()).toBe('CLOSED')
  })
})

describe('silence is not held against a peer', () => {
  test('that was asked the same before', () => {
    const { ask, judge, peer, advanceAlive, counts } = create()
    ask(1)
    judge.toldPresence(peer, cidOf(1).bytes)
    ask(1)
    advanceAlive(WANT_TIMEOUT_MS)
    expect(counts()).toEqual({ ...success, totalExclusions: 1 })
  })

  test('that was asked the same before, and the want was taken back', () => {
    const { ask, advanceAlive, counts } = create()
    ask(1)
    ask(1, { cancel: true })
    ask(1)
    advanceAlive(WANT_TIMEOUT_MS)
    expect(counts()).toEqual({ ...ignored, totalExclusions: 2 })
  })

  test('unless it was connected anew since, and has forgotten it', () => {
    const { ask, judge, peer, advanceAlive, counts } = create()
    ask(1)
    judge.toldPresence(peer, cidOf(1).bytes)
    peer.connections.clear()
    judge.lost(peer, connection, undefined, true)
    peer.connections.add(new FakeConnection(peer.peer))
    ask(1)
    advanceAlive(WANT_TIMEOUT_MS)
    expect(counts()).toEqual({ ...failure, totalSuccesses: 1 })
  })

  test('that was not asked to say so when it lacks the block', () => {
    const { ask, advanceAlive, counts, takeResults } = create()
    ask(1, { sendDontHave: false })
    advanceAlive(WANT_TIMEOUT_MS)
    expect(counts()).toEqual(ignored)
    expect(takeResults()).toEqual([['ignored', WANT_TIMEOUT_MS]])
  })

  test('while no peer at all gives a sign of life', () => {
    const { ask, other, advance, counts } = create()
    ask(1)
    ask(2, { from: other })
    advance(WANT_TIMEOUT_MS)
    expect(counts()).toEqual(ignored)
    expect(counts(other)).toEqual(ignored)
  })

  test('when the last sign of life was before it was asked', () => {
    const { judge, ask, other, advance, counts } = create()
    judge.heard(other)
    advance(TICK_MS)
    ask(1)
    advance(WANT_TIMEOUT_MS)
    expect(counts()).toEqual(ignored)
  })

  describe('when all fall silent just after others have answered', () => {
    /** One is silent from the start, three answer once; so many of them are asked for more. */
    function fallSilent(askedAgain: number) {
      const created = create()
      const { links, ask, advance, judge } = created
      const others = [2, 3, 4].map(number => links.claim(peerOf(number)))
      ask(1)
      for (const from of others) ask(1, { from })
      advance(TICK_MS)
      for (const from of others) {
        judge.heard(from)
        judge.toldPresence(from, cidOf(1).bytes)
      }
      advance(TICK_MS)
      for (const from of others.slice(0, askedAgain)) ask(2, { from })
      return created
    }

    test.each([2, 3])('and %d of three owe an answer, as it does', askedAgain => {
      const { advance, counts } = fallSilent(askedAgain)
      advance(WANT_TIMEOUT_MS)
      expect(counts()).toEqual(ignored)
    })

    test('and streams to them do not open, so that they are not even asked', () => {
      const { advance, judge, links, counts } = fallSilent(0)
      for (const number of [2, 3, 4]) judge.openIsLate(links.claim(peerOf(number)))
      advance(WANT_TIMEOUT_MS)
      expect(counts()).toEqual(ignored)
    })

    test.each([0, 1])('but it is if %d of three do: nobody else had reason to speak', askedAgain => {
      const { advance, counts } = fallSilent(askedAgain)
      advance(WANT_TIMEOUT_MS)
      expect(counts()).toEqual(failure)
    })

    test.each([
      [0.4, ignored],
      [0.5, failure]
    ])('and speak again after %d of the time', (share, expected) => {
      const { advance, judge, other, counts } = fallSilent(3)
      advance(share * WANT_TIMEOUT_MS - 2 * TICK_MS)
      judge.heard(other)
      advance(WANT_TIMEOUT_MS)
      expect(counts()).toEqual(expected)
    })
  })

  test.each<[string, (created: ReturnType<typeof create>) => void]>([
    ['another sends something', ({ judge, other }) => judge.heard(other)],
    ['a stream to another opens', ({ judge, other }) => judge.opened(other, 5)],
    ['a stream to itself opens', ({ judge, peer }) => judge.opened(peer, 5)],
    ['another resets a stream', ({ judge, other }) => judge.wasReset(other, 2)],
    [
      'another says no to a protocol',
      ({ judge, other }) => judge.openFailed(other, connectionOf(other), new UnsupportedProtocolError(), 0)
    ]
  ])('but it is once %s', (_what, live) => {
    const created = create()
    created.ask(1)
    created.advance(TICK_MS)
    live(created)
    created.advance(WANT_TIMEOUT_MS - TICK_MS)
    expect(created.counts()).toEqual(failure)
  })

  test('because another could not be reached', () => {
    const { ask, judge, other, advance, counts } = create()
    ask(1)
    advance(TICK_MS)
    judge.openFailed(other, connectionOf(other), new TimeoutError(), 0)
    judge.openFailed(other, connectionOf(other), new AbortError(), 0)
    advance(WANT_TIMEOUT_MS)
    expect(counts()).toEqual(ignored)
  })

  test('for the time this process was held up', () => {
    const { ask, clock, deadlines, judge, other, advanceAlive, counts } = create()
    ask(1)
    advanceAlive(WANT_TIMEOUT_MS - 100)
    expect(deadlines.awakeMs).toBe(WANT_TIMEOUT_MS - 100)
    // A timer due after a minute of no ticks at all, as when the computer slept.
    stall(clock, 60_000)
    judge.heard(other)
    expect(counts()).toEqual(nothing)
    advanceAlive(100)
    expect(counts()).toEqual(failure)
  })
})

/** Lets time pass without any timer running before the end of it. */
function stall(clock: ReturnType<typeof create>['clock'], ms: number): void {
  const { now, wallTime } = clock
  const offsetMs = ms - TICK_MS
  clock.now = () => now.call(clock) + offsetMs
  clock.wallTime = () => wallTime.call(clock) + offsetMs
  clock.advance(TICK_MS)
}

describe('an answer', () => {
  test('that took long only because this process was held up is a success', () => {
    const { ask, clock, judge, peer, counts } = create({ slowCallMs: 5000 })
    ask(1)
    stall(clock, 60_000)
    judge.toldPresence(peer, cidOf(1).bytes)
    expect(counts()).toEqual(success)
  })

  test('of a peer that was busy answering others before is a success', () => {
    const { ask, judge, peer, advance, counts } = create({ slowCallMs: 5000 })
    const asked = Array.from({ length: 20 }, (_, number) => number)
    for (const number of asked) ask(number)
    for (const number of asked) {
      advance(500)
      judge.heard(peer)
      judge.toldPresence(peer, cidOf(number).bytes)
    }
    expect(counts()).toEqual({ ...success, totalSuccesses: 20 })
  })

  test('that was slow by itself is a failure, as it was set', () => {
    const { ask, judge, peer, advance, counts } = create({ slowCallMs: 5000, wantTimeoutMs: 8000 })
    ask(1)
    advance(5100)
    judge.toldPresence(peer, cidOf(1).bytes)
    expect(counts()).toEqual(failure)
  })

  test.each([
    ['slow if it took long after the one before it', 5100, 1],
    ['not slow if it did not', 4900, 0]
  ])('is %s', (_what, ms, failures) => {
    const { ask, judge, peer, advance, counts } = create({ slowCallMs: 5000, wantTimeoutMs: 20_000 })
    ask(1)
    ask(2)
    advance(4900)
    judge.toldPresence(peer, cidOf(1).bytes)
    advance(ms)
    judge.toldPresence(peer, cidOf(2).bytes)
    expect(counts().totalFailures).toBe(failures)
  })

  test('is measured from when it was asked for, however many were answered before it', () => {
    const { ask, judge, peer, advance, protection } = create()
    ask(1)
    ask(2)
    advance(400)
    judge.toldPresence(peer, cidOf(1).bytes)
    advance(400)
    judge.toldPresence(peer, cidOf(2).bytes)
    expect(peer.answerTime.meanMs).toBe(400 + 400 / 8)
    expect(protection.getPeerStatus(peer.key)?.responseTimeMs).toBeGreaterThan(400)
  })

  test('is measured from when it was asked for, if that was after the one before it', () => {
    const { ask, judge, peer, advance } = create()
    ask(1)
    advance(400)
    judge.toldPresence(peer, cidOf(1).bytes)
    advance(5000)
    ask(2)
    advance(400)
    judge.toldPresence(peer, cidOf(2).bytes)
    expect(peer.answerTime.meanMs).toBe(400)
  })
})

describe('time for an answer', () => {
  /** After how long a silent peer is found to be silent. */
  function patience(created: ReturnType<typeof create>): number {
    const { ask, judge, other, deadlines, advance, takeResults } = created
    const from = deadlines.awakeMs
    ask(1000)
    while (takeResults().length === 0) {
      advance(TICK_MS)
      judge.heard(other)
      if (deadlines.awakeMs - from > 100_000) throw new Error('No end')
    }
    return deadlines.awakeMs - from
  }

  test('is what was set, for a peer that nothing is known of', () => {
    expect(patience(create())).toBe(WANT_TIMEOUT_MS)
    expect(patience(create({ wantTimeoutMs: 500 }))).toBe(500)
  })

  test('is what was set, for a quick peer', () => {
    const created = create()
    for (let sample = 0; sample < 50; sample++) created.peer.answerTime.sample(10)
    created.peer.openTime.sample(5)
    expect(patience(created)).toBe(WANT_TIMEOUT_MS)
  })

  test('is four times the opening of a stream, for a peer far away', () => {
    const created = create()
    created.peer.openTime.sample(800)
    expect(patience(created)).toBe(3200)
  })

  test('is what it usually takes, for a peer that is slow', () => {
    const created = create()
    created.peer.answerTime.sample(1500)
    // Mean 1500, deviation 750.
    expect(patience(created)).toBe(4500)
  })

  test('is ten seconds at most', () => {
    const created = create()
    created.peer.answerTime.sample(60_000)
    created.peer.openTime.sample(60_000)
    expect(patience(created)).toBe(MAX_SILENCE_MS)
  })

  test('is what was set, if that is more than ten seconds', () => {
    expect(patience(create({ wantTimeoutMs: 15_000 }))).toBe(15_000)
  })

  test('begins again whenever the peer sends something', () => {
    const { ask, judge, peer, advanceAlive, counts } = create()
    ask(1)
    for (let seconds = 0; seconds < 10; seconds++) {
      advanceAlive(1000)
      judge.heard(peer)
    }
    expect(counts()).toEqual(nothing)
    advanceAlive(WANT_TIMEOUT_MS - TICK_MS)
    expect(counts()).toEqual(nothing)
    advanceAlive(TICK_MS)
    expect(counts()).toEqual(failure)
  })

  test('does not begin again when others send something', () => {
    const { ask, judge, other, advanceAlive, counts } = create()
    ask(1)
    for (let passed = 0; passed < WANT_TIMEOUT_MS; passed += 100) {
      advanceAlive(100)
      judge.heard(other)
    }
    expect(counts()).toEqual(failure)
  })

  test('is thirty seconds in all, even if the peer keeps sending', () => {
    const { ask, judge, peer, advance, counts, takeResults } = create()
    ask(1)
    for (let passed = 0; passed < MAX_WAIT_MS + WANT_TIMEOUT_MS; passed += 500) {
      judge.heard(peer)
      advance(500)
    }
    expect(counts()).toEqual(failure)
    const [[result, elapsedMs] = ['', 0]] = takeResults()
    expect(result).toBe('failed')
    expect(elapsedMs).toBeGreaterThanOrEqual(MAX_WAIT_MS)
    expect(elapsedMs).toBeLessThanOrEqual(MAX_WAIT_MS + WANT_TIMEOUT_MS)
  })
})

describe('a block', () => {
  test('of a peer that is trusted is for the want waited for longest, unseen', async () => {
    const { ask, judge, peer } = create()
    const [first, second] = [await blockOf(1), await blockOf(2)]
    ask(first.cid)
    ask(second.cid)
    judge.sentBlock(peer)
    expect(peer.wants.size).toBe(1)
    ask(first.cid, { cancel: true })
    expect(peer.wants.size).toBe(1)
  })

  test('of a peer that is not trusted is for the want of its hash', async () => {
    const { ask, judge, peer, distrust } = create()
    const [first, second] = [await blockOf(1), await blockOf(2)]
    distrust()
    ask(first.cid)
    ask(second.cid)
    await judge.sentDistrustedBlock(peer, second.prefix, second.data)
    expect(peer.wants.size).toBe(1)
    ask(first.cid, { cancel: true })
    expect(peer.wants.size).toBe(0)
  })

  test('of a peer that is not trusted earns it nothing if it was not asked for', async () => {
    const { ask, judge, peer, distrust, counts, advanceAlive } = create()
    const { cid, prefix, data } = await blockOf(1)
    distrust()
    ask(cid)
    await judge.sentDistrustedBlock(
      peer,
      prefix,
      data.map(byte => byte ^ 1)
    )
    expect(counts()).toEqual(failure)
    expect(peer.wants.size).toBe(1)
    advanceAlive(WANT_TIMEOUT_MS)
    expect(counts()).toEqual({ ...failure, totalFailures: 2 })
  })

  test('without a prefix, as of Bitswap 1.0.0, is matched as well', async () => {
    const { ask, judge, peer, distrust } = create()
    const { cid, data } = await blockOf(1)
    distrust()
    ask(2)
    ask(cid)
    await judge.sentDistrustedBlock(peer, new Uint8Array(), data)
    expect(peer.wants.size).toBe(1)
    ask(cid, { cancel: true })
    expect(peer.wants.size).toBe(1)
  })

  test.each([
    ['of a hash that is not known here', [1, 0x55, 0x1e, 32]],
    ['of a hash with a long code', [1, 0x55, 0xc0, 0xe4, 0x02, 32]],
    ['cut short', [1]],
    ['of a number without an end', [1, 0x55, 255]]
  ])('with a prefix %s is for the want waited for longest', async (_what, prefix) => {
    const { ask, judge, peer, distrust, counts } = create()
    distrust()
    ask(1)
    await judge.sentDistrustedBlock(peer, Uint8Array.from(prefix), Uint8Array.of(1))
    expect(peer.wants.size).toBe(0)
    expect(counts()).toEqual({ ...failure, totalSuccesses: 1 })
  })

  test('nobody waits for counts for nothing', async () => {
    const { judge, peer, counts, takeResults } = create()
    const { prefix, data } = await blockOf(1)
    judge.sentBlock(peer)
    await judge.sentDistrustedBlock(peer, prefix, data)
    expect(counts()).toEqual(nothing)
    expect(takeResults()).toEqual([])
  })
})

describe('a peer is distrusted', () => {
  test('not at first', () => {
    const { judge, peer } = create()
    expect(judge.isDistrusted(peer)).toBe(false)
  })

  test('from its first failure to its next success', () => {
    const { judge, peer, protection } = create()
    protection.admit(peer.key).settle('success')
    expect(judge.isDistrusted(peer)).toBe(false)
    protection.admit(peer.key).settle('failure')
    expect(judge.isDistrusted(peer)).toBe(true)
    protection.admit(peer.key).settle('success')
    expect(judge.isDistrusted(peer)).toBe(false)
  })

  test('while it is suspect', () => {
    const { judge, peer } = create()
    judge.openIsLate(peer)
    expect(judge.isDistrusted(peer)).toBe(true)
    judge.opened(peer, 5)
    expect(judge.isDistrusted(peer)).toBe(false)
  })

  test('while its circuit is open or half-open, and while it recovers', () => {
    const { judge, peer, protection, advance, state } = create()
    protection.trip(peer.key)
    expect(judge.isDistrusted(peer)).toBe(true)
    advance(TIMEOUT_MS + 1)
    expect(judge.isDistrusted(peer)).toBe(true)
    protection.admit(peer.key).settle('success')
    expect(state()).toBe('CLOSED')
    expect(judge.isDistrusted(peer)).toBe(true)
  })
})

describe('a stream', () => {
  test('that opened tells how quick the peer is, and is no success', () => {
    const { judge, peer, counts } = create()
    judge.opened(peer, 40)
    expect(peer.openTime.meanMs).toBe(40)
    expect(counts()).toEqual(nothing)
  })

  test('that is late makes its peer suspect, and somebody is to find out', () => {
    const { judge, peer, told, isSuspect, counts } = create()
    judge.openIsLate(peer)
    expect(isSuspect()).toBe(true)
    expect(told).toEqual(['suspect peer'])
    expect(counts()).toEqual(nothing)
  })

  test('that is late as well changes nothing more', () => {
    const { judge, peer, told } = create()
    judge.openIsLate(peer)
    judge.openIsLate(peer)
    expect(told).toEqual(['suspect peer'])
  })

  test('that is late to a peer that is held back anyway is nothing new', () => {
    const { judge, peer, protection, told, isSuspect } = create()
    protection.trip(peer.key)
    judge.openIsLate(peer)
    expect(isSuspect()).toBe(false)
    expect(told).toEqual([])
  })

  test('that opened after all clears its peer', () => {
    const { judge, peer, told, isSuspect } = create()
    judge.openIsLate(peer)
    judge.opened(peer, 900)
    expect(isSuspect()).toBe(false)
    expect(told).toEqual(['suspect peer', 'cleared peer'])
    expect(peer.openTime.usualMs).toBe(900 + 4 * 450)
  })

  test('that opened for a peer nobody suspects clears nothing', () => {
    const { judge, peer, other, told, isSuspect } = create()
    judge.openIsLate(other)
    judge.opened(peer, 5)
    expect(told).toEqual(['suspect other'])
    expect(isSuspect(other)).toBe(true)
  })

  test('of something else than Bitswap gives a first idea only', () => {
    const { judge, peer } = create()
    judge.seedOpenTime(peer, 100)
    expect(peer.openTime.meanMs).toBe(100)
    judge.seedOpenTime(peer, 10)
    expect(peer.openTime.meanMs).toBe(100)
  })
})

describe('a stream that could not be opened', () => {
  test.each([
    ['a refusal', refused],
    ['a reset', new StreamResetError()]
  ])('is a failure if it was %s, whoever else is alive', (_what, error) => {
    const { judge, peer } = create()
    expect(judge.openFailed(peer, connectionOf(peer), error, 0)).toBe('failure')
  })

  test('is a failure if it took too long while others were alive', () => {
    const { judge, peer, other, deadlines, advance } = create()
    const sinceMs = deadlines.awakeMs
    advance(TICK_MS)
    judge.heard(other)
    expect(judge.openFailed(peer, connectionOf(peer), new TimeoutError(), sinceMs)).toBe('failure')
  })

  test('counts for nothing if it took too long and nobody gave a sign of life', () => {
    const { judge, peer, other, deadlines, advance } = create()
    judge.heard(other)
    const sinceMs = deadlines.awakeMs
    advance(5000)
    expect(judge.openFailed(peer, connectionOf(peer), new TimeoutError(), sinceMs)).toBe('ignored')
  })

  test.each([
    ['what the peer does not offer', new UnsupportedProtocolError()],
    ['a limit of ours', new TooManyOutboundProtocolStreamsError()],
    ["the caller's abort", new AbortError()],
    ['something unheard of', new Error('?')]
  ])('counts for nothing if it was %s', (_what, error) => {
    const { judge, peer, other, advance } = create()
    advance(TICK_MS)
    judge.heard(other)
    expect(judge.openFailed(peer, connectionOf(peer), error, 0)).toBe('ignored')
  })

  test('does not make a peer suspect by itself', () => {
    const { judge, peer, told, isSuspect } = create()
    judge.openFailed(peer, connectionOf(peer), refused, 0)
    expect(isSuspect()).toBe(false)
    expect(told).toEqual([])
  })
})

describe('a suspicion ends', () => {
  function createSuspect() {
    const created = create()
    created.judge.openIsLate(created.peer)
    created.told.length = 0
    return created
  }

  test('with an opened circuit if the peer did not respond while others did', () => {
    const { judge, peer, other, advance, isSuspect, state, protection, told } = createSuspect()
    advance(TICK_MS)
    judge.heard(other)
    judge.openFailed(peer, connectionOf(peer), new TimeoutError(), 0)
    expect(state()).toBe('OPEN')
    expect(isSuspect()).toBe(false)
    expect(protection.getPeerStatus(peer.key)?.lastTrip?.reason).toBe('UNRESPONSIVE')
    expect(told).toEqual([])
  })

  test('with an opened circuit if nobody is there', () => {
    const { judge, peer, state } = createSuspect()
    judge.openFailed(peer, connectionOf(peer), refused, 0)
    expect(state()).toBe('OPEN')
  })

  test.each([
    ['that it does not offer Bitswap', new UnsupportedProtocolError()],
    ['with a reset', new StreamResetError()]
  ])('by an answer, if that was %s', (_what, error) => {
    const { judge, peer, isSuspect, state, told } = createSuspect()
    judge.openFailed(peer, connectionOf(peer), error, 0)
    expect(isSuspect()).toBe(false)
    expect(state()).toBe('CLOSED')
    expect(told).toEqual(['cleared peer'])
  })

  test('by nothing yet when nobody at all responded: the peer is asked once more', () => {
    const { judge, peer, isSuspect, state, told } = createSuspect()
    judge.openFailed(peer, connectionOf(peer), new TimeoutError(), 0)
    expect(isSuspect()).toBe(true)
    expect(state()).toBe('CLOSED')
    expect(told).toEqual(['suspect peer'])
  })

  test('when nobody at all responded, and there is no connection left to find out by', () => {
    const { judge, peer, isSuspect, told } = createSuspect()
    peer.connections.clear()
    judge.openFailed(peer, connectionOf(peer), new TimeoutError(), 0)
    expect(isSuspect()).toBe(false)
    expect(told).toEqual(['cleared peer'])
  })

  test('when what went wrong was our fault', () => {
    const { judge, peer, isSuspect, told } = createSuspect()
    judge.openFailed(peer, connectionOf(peer), new TooManyOutboundProtocolStreamsError(), 0)
    expect(isSuspect()).toBe(false)
    expect(told).toEqual(['cleared peer'])
  })

  test('not by what tells nothing, while another stream is still being opened', () => {
    const { judge, peer, isSuspect, told } = createSuspect()
    peer.detached = 1
    judge.openFailed(peer, connectionOf(peer), new TooManyOutboundProtocolStreamsError(), 0)
    expect(isSuspect()).toBe(true)
    expect(told).toEqual([])
  })

  test('by what is known, although another stream is still being opened', () => {
    const { judge, peer, isSuspect } = createSuspect()
    peer.detached = 1
    judge.openFailed(peer, connectionOf(peer), new UnsupportedProtocolError(), 0)
    expect(isSuspect()).toBe(false)
  })

  test('also if the protection was off when it was found out', () => {
    const { judge, peer, protection, isSuspect } = createSuspect()
    protection.mode = 'off'
    judge.openFailed(peer, connectionOf(peer), refused, 0)
    protection.mode = 'enforce'
    // Nobody is finding out any more, so this would be for good.
    expect(isSuspect()).toBe(false)
  })
})

describe('a reset', () => {
  test('is one failure, however many wants went out on the stream', () => {
    const { judge, peer, ask, counts, inFlight } = create()
    const stream = 2
    for (const number of [1, 2, 3]) ask(number, { stream })
    judge.wasReset(peer, stream)
    expect(counts()).toEqual({ ...failure, totalExclusions: 2 })
    expect(inFlight()).toBe(0)
  })

  test('is no failure if all that went out on the stream is answered', () => {
    const { judge, peer, ask, counts } = create()
    const stream = 2
    ask(1, { stream })
    judge.toldPresence(peer, cidOf(1).bytes)
    judge.wasReset(peer, stream)
    expect(counts()).toEqual(success)
  })

  test('does not touch wants of other streams', () => {
    const { judge, peer, ask, counts } = create()
    ask(1)
    judge.wasReset(peer, 3)
    expect(counts()).toEqual(nothing)
    expect(peer.wants.size).toBe(1)
  })

  test('of stream after stream opens the circuit', () => {
    const { judge, peer, ask, state } = create()
    for (const number of [1, 2, 3]) {
      const stream = 2
      ask(number, { stream })
      judge.wasReset(peer, stream)
    }
    expect(state()).toBe('OPEN')
  })
})

describe('what fails at once', () => {
  const failed = Object.assign(new Error('failed'), { name: 'EncryptionFailedError' })

  test('is held against a peer if another responded just before', () => {
    const { judge, peer, other, deadlines, advance, state } = create()
    judge.openIsLate(peer)
    judge.heard(other)
    advance(1000)
    judge.openFailed(peer, connectionOf(peer), failed, deadlines.awakeMs)
    expect(state()).toBe('OPEN')
  })

  test('is not if that was a while ago', () => {
    const { judge, peer, other, deadlines, advance, state, isSuspect } = create()
    judge.openIsLate(peer)
    judge.heard(other)
    advance(2000)
    judge.openFailed(peer, connectionOf(peer), failed, deadlines.awakeMs)
    expect([state(), isSuspect()]).toEqual(['CLOSED', false])
  })
})

describe('a connection that is gone', () => {
  test('is no failure while there is another, but what went out on it has to be asked for again', () => {
    const { judge, peer, ask, counts, told, inFlight } = create()
    ask(1)
    judge.lost(peer, connection, broken, false)
    expect(counts()).toEqual({ ...ignored, totalExclusions: 1 })
    expect([inFlight(), peer.wants.size]).toEqual([0, 0])
    expect(told).toEqual(['lost peer'])
  })

  test('does not excuse silence about what went out on another', () => {
    const { judge, peer, ask, advanceAlive, counts, told } = create()
    ask(1)
    judge.lost(peer, new FakeConnection(peer.peer), broken, false)
    expect(told).toEqual([])
    advanceAlive(WANT_TIMEOUT_MS)
    expect(counts()).toEqual(failure)
  })

  test('because the peer closed it while an answer was due is a failure, as if it had broken', () => {
    const { judge, peer, ask, counts, isSuspect } = create()
    ask(1)
    ask(2, { sendDontHave: false })
    peer.connections.clear()
    judge.lost(peer, connection, undefined, false)
    expect(counts()).toEqual({ ...failure, totalExclusions: 1 })
    expect(isSuspect()).toBe(true)
  })

  test('because it was closed here is nobody’s fault', () => {
    const { judge, peer, ask, counts, told, inFlight } = create()
    ask(1)
    ask(2)
    peer.connections.clear()
    judge.lost(peer, connection, undefined, true)
    expect(counts()).toEqual({ ...ignored, totalExclusions: 2 })
    expect(inFlight()).toBe(0)
    expect(told).toEqual([])
  })

  test('because it broke while an answer was due is one failure, and makes the peer suspect', () => {
    const { judge, peer, ask, counts, told, isSuspect } = create()
    ask(1)
    ask(2)
    peer.connections.clear()
    judge.lost(peer, connection, broken, false)
    expect(counts()).toEqual({ ...failure, totalExclusions: 1 })
    expect(isSuspect()).toBe(true)
    expect(told).toEqual(['suspect peer'])
  })

  test('because it broke while nothing was due is nobody’s fault', () => {
    const { judge, peer, counts, told, isSuspect } = create()
    peer.connections.clear()
    judge.lost(peer, connection, broken, false)
    expect(counts()).toEqual(nothing)
    expect(isSuspect()).toBe(false)
    expect(told).toEqual([])
  })

  test('because it broke under a suspect is to be found out about', () => {
    const { judge, peer, told, isSuspect } = create()
    judge.openIsLate(peer)
    peer.connections.clear()
    judge.lost(peer, connection, broken, false)
    expect(isSuspect()).toBe(true)
    expect(told).toEqual(['suspect peer', 'suspect peer'])
  })

  test('because it was closed here ends a suspicion', () => {
    const { judge, peer, told, isSuspect } = create()
    judge.openIsLate(peer)
    peer.connections.clear()
    judge.lost(peer, connection, undefined, true)
    expect(isSuspect()).toBe(false)
    expect(told).toEqual(['suspect peer', 'cleared peer'])
  })

  test('because it was closed here leaves a suspicion to the stream that is still being opened', () => {
    const { judge, peer, isSuspect } = create()
    judge.openIsLate(peer)
    peer.connections.clear()
    peer.detached = 1
    judge.lost(peer, connection, undefined, true)
    expect(isSuspect()).toBe(true)
  })

  test('takes along what the peer wanted', () => {
    const { judge, peer } = create()
    peer.peerWants = 7
    peer.connections.clear()
    judge.lost(peer, connection, undefined, true)
    expect(peer.peerWants).toBe(0)
  })
})

test('dismissing ends all wants and suspicions, to nobody’s harm', () => {
  const { judge, peer, other, ask, counts, inFlight, isSuspect, advanceAlive } = create()
  ask(1)
  ask(2, { from: other })
  judge.openIsLate(other)
  judge.dismiss()
  for (const link of [peer, other]) {
    expect(counts(link)).toEqual(ignored)
    expect(inFlight(link)).toBe(0)
    expect(isSuspect(link)).toBe(false)
    expect(link.wants.size).toBe(0)
  }
  advanceAlive(WANT_TIMEOUT_MS)
  expect(counts()).toEqual(ignored)
})

describe('a block that comes', () => {
  test('is told of if it was asked for', async () => {
    const { judge, peer, ask, takeBlocks } = create()
    judge.sentBlock(peer)
    expect(takeBlocks()).toEqual([])
    ask(1)
    ask(2, { stream: 2, wasRefused: true })
    judge.sentBlock(peer)
    judge.sentBlock(peer)
    judge.sentBlock(peer)
    expect(takeBlocks()).toEqual([
      ['peer', false],
      ['peer', true]
    ])
  })

  test('is told of when its hash was looked at, too', async () => {
    const { judge, peer, ask, takeBlocks } = create()
    const block = await blockOf(1)
    ask(block.cid)
    await judge.sentDistrustedBlock(peer, block.prefix, Uint8Array.of(1))
    expect(takeBlocks()).toEqual([])
    await judge.sentDistrustedBlock(peer, block.prefix, block.data)
    expect(takeBlocks()).toEqual([['peer', false]])
  })

  test('is not what the peer says of it', () => {
    const { judge, peer, ask, takeBlocks } = create()
    ask(1)
    judge.toldPresence(peer, cidOf(1).bytes)
    expect(takeBlocks()).toEqual([])
  })

  test('from a peer that would not have been asked counts as lost, and its silence as spared', () => {
    const { protection, judge, peer, ask, advanceAlive } = create()
    protection.mode = 'observe'
    ask(1, { wasRefused: true })
    ask(2, { wasRefused: true })
    judge.sentBlock(peer)
    advanceAlive(20_000)
    expect(protection.getOverallStatus().counterfactual).toMatchObject({
      failuresSpared: 1,
      timeSavedMs: WANT_TIMEOUT_MS,
      successesLost: 1
    })
  })
})

describe('bounds', () => {
  test(`${MAX_OUTSTANDING} wants of a peer are followed at once, and more when there is room again`, () => {
    const { judge, peer, ask, inFlight } = create()
    for (let number = 0; number < MAX_OUTSTANDING + 100; number++) ask(number)
    expect(inFlight()).toBe(MAX_OUTSTANDING)
    expect(peer.wants.size).toBe(MAX_OUTSTANDING)
    judge.toldPresence(peer, cidOf(0).bytes)
    ask(100_000)
    expect(inFlight()).toBe(MAX_OUTSTANDING)
  })

  test('a want that could not be followed may be answered or taken back', () => {
    const { judge, peer, ask, counts } = create()
    for (let number = 0; number <= MAX_OUTSTANDING; number++) ask(number)
    judge.toldPresence(peer, cidOf(MAX_OUTSTANDING).bytes)
    ask(MAX_OUTSTANDING, { cancel: true })
    expect(counts()).toEqual(nothing)
  })

  test('there is one timer, however many wants there are', () => {
    const { ask, other, clock } = create()
    const before = clock.pendingTimers
    for (let number = 0; number < 500; number++) {
      ask(number)
      ask(number, { from: other })
    }
    expect(clock.pendingTimers).toBe(before + 1)
  })
})
