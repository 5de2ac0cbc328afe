import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import {
  defaultInboundOptions,
  InboundGuard,
  type InboundOptions,
  type Overrun,
  resolveInboundOptions
} from '../../src/bitswap/inbound-guard.ts'
import { type PeerLink, PeerLinks } from '../../src/bitswap/peer-link.ts'
import { InvalidOptionError, ManualClock } from '../../src/core/index.ts'
import { FakeConnection } from './support/node.ts'
import { peerOf } from './support/peers.ts'
import { openPair } from './support/streams.ts'

const MAX_LAG_MS = 10_000
const BLOCK_BYTES = 2 * 2 ** 20

/** A want costs 10 ms and 30 ms more as a miss, a stream 20 ms, a byte a ms; a second's worth may come at once. */
const options: InboundOptions = {
  wantsPerS: 100,
  missCost: 3,
  streamsPerS: 50,
  bytesPerS: 1_024,
  burstMs: 1_000,
  subnetFactor: 2
}

function create(given: Partial<InboundOptions> = {}, maxTracked = 100) {
  const clock = new ManualClock(7_000)
  const links = new PeerLinks()
  const overruns: Array<[string, Overrun]> = []
  const state = { lagMs: 0, isEnforcing: true, mayShutOut: true }
  const shutOut: string[] = []
  const guard = new InboundGuard(resolveInboundOptions({ ...options, ...given }), maxTracked, {
    clock,
    lagMs: () => state.lagMs,
    isEnforcing: () => state.isEnforcing,
    onOverrun: ({ key }, overrun) => overruns.push([key, overrun]),
    mayShutOut: () => state.mayShutOut,
    onShutOut: ({ key }) => shutOut.push(key)
  })

  function connect(number: number, address = '/ip4/127.0.0.1/tcp/4001') {
    const connection = Object.assign(new FakeConnection(peerOf(number)), { remoteAddr: multiaddr(address) })
    const link = links.claim(peerOf(number))
    const open = async () => {
      const [stream] = await openPair()
      return { stream, inbound: guard.opened(stream, link, connection) }
    }

    /** A stream with one message of wants; returns whether it was let in. */
    const ask = async (wants: number, cancels = 0): Promise<boolean> => {
      const { inbound } = await open()
      if (inbound.isRefused) return false
      for (let want = 0; want < wants; want++) inbound.asked(false)
      for (let cancel = 0; cancel < cancels; cancel++) inbound.asked(true)
      inbound.message()
      return !inbound.isRefused
    }
    return { link, connection, open, ask }
  }

  return { clock, guard, overruns, shutOut, state, connect, peer: connect(1) }
}

/** How many times in a row something is let in. */
async function count(letsIn: () => Promise<boolean>): Promise<number> {
  let times = 0
  while (await letsIn()) times++
  return times
}

describe('options', () => {
  test('are the defaults where none are given', () => {
    expect(resolveInboundOptions({})).toEqual(defaultInboundOptions)
    expect(resolveInboundOptions({ missCost: 0 }).missCost).toBe(0)
  })

  test.each([
    { wantsPerS: 0 },
    { missCost: -1 },
    { streamsPerS: Number.NaN },
    { bytesPerS: 1_000 },
    { burstMs: 0 },
    { subnetFactor: 0.5 },
    { unknown: 1 } as object
  ])('%o is none', given => {
    expect(() => resolveInboundOptions(given)).toThrow(InvalidOptionError)
    expect(() => resolveInboundOptions(given)).toThrow(`inbound.${Object.keys(given)[0]}`)
  })
})

describe('streams', () => {
  test('may be as many at once as the burst has room for, then as many as the rate says', async () => {
    const { clock, peer, overruns } = create()
    const opens = async () => !(await peer.open()).inbound.isRefused
    expect(await count(opens)).toBe(50)
    clock.advance(19)
    expect(await opens()).toBe(false)
    clock.advance(21)
    expect(await count(opens)).toBe(2)
    expect(overruns.map(([, overrun]) => overrun)).toEqual(['STREAMS', 'STREAMS', 'STREAMS'])
  })

  test('that are refused are aborted', async () => {
    const { peer } = create({ burstMs: 10 })
    const { stream, inbound } = await peer.open()
    expect(inbound.isRefused).toBe(true)
    expect(stream.status).toBe('aborted')
  })

  test('of one peer cost no other peer anything', async () => {
    const { connect } = create()
    const flooder = connect(1)
    await count(async () => !(await flooder.open()).inbound.isRefused)
    expect(await connect(2).ask(1)).toBe(true)
  })
})

describe('wants', () => {
  test('are charged as misses', async () => {
    const { peer } = create()
    // 20 ms for the stream, 40 ms for each want.
    expect(await peer.ask(25)).toBe(false)
    expect(await create().peer.ask(24)).toBe(true)
  })

  test('that are answered cost less', async () => {
    const { guard, peer } = create()
    await peer.ask(24)
    for (let served = 0; served < 24; served++) guard.served(peer.link, peer.connection)
    // 260 ms are left of it: 740 ms to go, of which the stream takes 20.
    expect(await peer.ask(19)).toBe(false)
    expect(await peer.ask(18)).toBe(false)
    const { guard: other, peer: luckier } = create()
    await luckier.ask(24)
    for (let served = 0; served < 24; served++) other.served(luckier.link, luckier.connection)
    expect(await luckier.ask(18)).toBe(true)
  })

  test('are not given back twice', async () => {
    const { guard, peer } = create()
    await peer.ask(10)
    for (let served = 0; served < 100; served++) guard.served(peer.link, undefined)
    // 100 ms of wants and 20 ms of streams stay owed; 20 ms are for this one.
    expect(await peer.ask(22)).toBe(false)
    expect(peer.link.standingWants).toBe(0)
    expect(peer.link.standingMs).toBe(0)
  })

  test('that were taken back earn nothing any more', async () => {
    const { guard, peer } = create()
    await peer.ask(20)
    await peer.ask(0, 10)
    expect(peer.link.standingWants).toBe(10)
    expect(peer.link.standingMs).toBeCloseTo(300)
    guard.served(peer.link, peer.connection)
    expect(peer.link.standingMs).toBeCloseTo(270)
  })

  test('that come over a stream that was refused count no more', async () => {
    const { peer } = create()
    const { inbound } = await peer.open()
    for (let want = 0; want < 30; want++) inbound.asked(false)
    inbound.message()
    inbound.asked(false)
    inbound.message()
    expect(peer.link.standingWants).toBe(0)
  })

  test('of messages that were refused do not stand', async () => {
    const { peer } = create()
    await peer.ask(1_000)
    expect(peer.link.standingWants).toBe(0)
  })

  test('that were refused cost what it took to read them: whoever goes on is not even read', async () => {
    const { clock, overruns, peer } = create()
    for (let list = 0; list < 5; list++) await peer.ask(1_000)
    expect(overruns.map(([, overrun]) => overrun)).toEqual([
      'WANTS',
      'STREAMS',
      'STREAMS',
      'STREAMS',
      'STREAMS'
    ])
    clock.advance(60)
    expect(await peer.ask(1)).toBe(true)
  })

  test('of a second message on a stream cost as much as if it had a stream of its own', async () => {
    const { peer } = create()
    const { inbound } = await peer.open()
    let messages = 0
    for (; !inbound.isRefused; messages++) inbound.message()
    expect(messages).toBe(51)
  })

  test('are counted by message: what was asked in one is not asked again in the next', async () => {
    const { peer } = create()
    const { inbound } = await peer.open()
    for (let want = 0; want < 10; want++) inbound.asked(false)
    inbound.message()
    inbound.message()
    expect(peer.link.standingWants).toBe(10)
  })
})

describe('while the process lags', () => {
  test('what is asked costs more, up to a limit', async () => {
    const asks = async (lagMs: number) => {
      const { state, peer } = create()
      state.lagMs = lagMs
      return count(() => peer.ask(1))
    }
    expect(await asks(0)).toBe(16)
    expect(await asks(50)).toBe(16)
    expect(await asks(100)).toBeLessThan(9)
    expect(await asks(400)).toBeLessThan(3)
    expect(await asks(800)).toBe(1)
    expect(await asks(MAX_LAG_MS)).toBe(1)
  })

  test('one list of 250 wants is still read, with the defaults, and none of 1,024', async () => {
    const { state, connect } = create(defaultInboundOptions)
    state.lagMs = MAX_LAG_MS
    const [modest, greedy] = [connect(2), connect(3)]
    expect(await modest.ask(250)).toBe(true)
    expect(await modest.ask(250)).toBe(false)
    expect(await greedy.ask(1_024)).toBe(false)
  })

  test('what stands is charged again with every message, which it is not otherwise', async () => {
    const { clock, state, peer } = create()
    await peer.ask(20)
    clock.advance(60_000)
    // 20 ms each, for the stream.
    expect(await count(() => peer.ask(0))).toBe(50)
    clock.advance(60_000)
    state.lagMs = 100
    // 40 ms each, and 200 ms for the 20 wants.
    expect(await count(() => peer.ask(0))).toBe(4)
  })

  test('what is served is given back as it was charged', async () => {
    const { guard, state, peer } = create()
    state.lagMs = 100
    await peer.ask(10)
    expect(peer.link.standingMs).toBeCloseTo(600)
    for (let served = 0; served < 10; served++) guard.served(peer.link, peer.connection)
    state.lagMs = 0
    // 200 ms of wants and 40 ms of a stream stay owed.
    expect(await count(() => peer.ask(0))).toBe(38)
  })

  test('nobody gets back more than he was charged', async () => {
    const { guard, state, peer } = create()
    await peer.ask(10)
    state.lagMs = MAX_LAG_MS
    expect(peer.link.standingMs).toBeCloseTo(300)
    for (let served = 0; served < 10; served++) guard.served(peer.link, peer.connection)
    state.lagMs = 0
    // 120 ms are owed.
    expect(await peer.ask(22)).toBe(false)
  })
})

describe('while all together ask for very much', () => {
  /** Peers, of whom each asks for as much as it may. */
  async function flood(connect: ReturnType<typeof create>['connect'], peers: number): Promise<number> {
    let letIn = 0
    for (let number = 0; number < peers; number++) {
      const { ask } = connect(100 + number)
      letIn += await count(() => ask(10))
    }
    return letIn
  }

  test('what is asked costs more, for whoever asks', async () => {
    const { connect } = create()
    // 40 ms a want and 20 ms a stream, of a second: two lists each, 200 ms over. Half of eight seconds are five such peers.
    expect(await flood(connect, 5)).toBe(10)
    const late = connect(2)
    expect(await late.ask(20)).toBe(true)
    await flood(connect, 20)
    const later = connect(3)
    expect(await later.ask(20)).toBe(false)
    expect(await later.ask(1)).toBe(true)
  })

  test('a hundred are let in for no more than some', async () => {
    const { connect } = create()
    expect(await flood(connect, 100)).toBeLessThan(25)
  })

  test('that is over when it is paid off', async () => {
    const { clock, connect } = create()
    await flood(connect, 100)
    expect(await connect(2).ask(20)).toBe(false)
    clock.advance(1_000)
    expect(await connect(3).ask(20)).toBe(true)
  })

  test('what is served is no miss', async () => {
    const { guard, connect } = create()
    for (let number = 0; number < 100; number++) {
      const { ask, link, connection } = connect(100 + number)
      expect(await ask(20)).toBe(true)
      for (let served = 0; served < 20; served++) guard.served(link, connection)
    }
  })
})

describe('bytes', () => {
  test('may come at the rate, and are charged as they come', async () => {
    const { peer, overruns } = create()
    const { stream, inbound } = await peer.open()
    inbound.received(1_024)
    expect(inbound.isRefused).toBe(false)
    inbound.received(1)
    expect(overruns).toEqual([[peer.link.key, 'BYTES']])
    expect(stream.status).toBe('aborted')
  })

  test('of answers cost nothing, however many there are', async () => {
    const { peer, overruns } = create()
    for (let answer = 0; answer < 20; answer++) {
      peer.link.answersDue++
      const { inbound } = await peer.open()
      inbound.received(BLOCK_BYTES)
      inbound.answered(BLOCK_BYTES)
      inbound.message()
    }
    expect(overruns).toEqual([])
    expect(peer.link.answersDue).toBe(0)
  })

  test('that look like answers nobody asked for are charged', async () => {
    const { peer, overruns } = create()
    const { inbound } = await peer.open()
    inbound.received(1_000)
    inbound.answered(1_000)
    inbound.message()
    expect(peer.link.answersDue).toBe(0)
    inbound.received(1_000)
    expect(overruns.map(([, overrun]) => overrun)).toEqual(['BYTES'])
  })

  test('may not be many more than answers that are due can be', async () => {
    const { peer } = create()
    peer.link.answersDue = 1_000
    const { inbound } = await peer.open()
    let chunks = 0
    for (; !inbound.isRefused; chunks++) inbound.received(BLOCK_BYTES)
    expect(chunks).toBe(17)
  })

  test('that cannot be read are refused', async () => {
    const { peer, overruns } = create()
    const { inbound } = await peer.open()
    inbound.unreadable()
    expect(inbound.isRefused).toBe(true)
    expect(overruns).toEqual([[peer.link.key, 'UNREADABLE']])
  })
})

describe('a peer that has asked for too much', () => {
  async function exhausted() {
    const created = create()
    const { peer } = created
    await count(async () => !(await peer.open()).inbound.isRefused)
    return created
  }

  test('is let in as long as answers are due, and not after', async () => {
    const { peer } = await exhausted()
    peer.link.answersDue = 2
    for (let answer = 0; answer < 2; answer++) {
      const { inbound } = await peer.open()
      inbound.received(5_000)
      inbound.answered(5_000)
      inbound.message()
      expect(inbound.isRefused).toBe(false)
    }
    expect((await peer.open()).inbound.isRefused).toBe(true)
  })

  test('may send wants along with answers, but not without', async () => {
    const { peer } = await exhausted()
    peer.link.answersDue = 2
    const { inbound } = await peer.open()
    inbound.asked(false)
    inbound.answered(10)
    inbound.message()
    expect(inbound.isRefused).toBe(false)
    inbound.asked(false)
    inbound.message()
    expect(inbound.isRefused).toBe(true)
  })

  test('has a stream given back by its first answer, once', async () => {
    const { peer } = create({ bytesPerS: 1e12 })
    peer.link.answersDue = 1_000
    const opens = async () => !(await peer.open()).inbound.isRefused
    const { inbound } = await peer.open()
    expect(await count(opens)).toBe(49)
    for (let answer = 0; answer < 100; answer++) inbound.answered(10)
    expect(await count(opens)).toBe(1)
  })

  test('cannot open ever more streams because it owes an answer', async () => {
    // Bytes are so cheap that they do not matter, and so is the credit.
    const { peer } = create({ bytesPerS: 1e12 })
    peer.link.answersDue = 1
    expect(await count(async () => !(await peer.open()).inbound.isRefused)).toBe(50)
  })
})

describe('subnets', () => {
  const near = (host: number) => `/ip4/8.8.4.${host}/tcp/4001`

  test('may take so many times what a peer may', async () => {
    const { connect } = create()
    const sums = []
    for (const number of [1, 2, 3]) sums.push(await count(() => connect(number, near(number)).ask(1)))
    expect(sums).toEqual([16, 16, 0])
    expect(await connect(4, '/ip4/8.8.5.1/tcp/4001').ask(1)).toBe(true)
  })

  test('are not charged for what a peer is refused', async () => {
    const { connect } = create()
    const flooder = connect(1, near(1))
    for (let list = 0; list < 1_000; list++) await flooder.ask(1_000)
    expect(await count(() => connect(2, near(2)).ask(1))).toBeGreaterThan(15)
  })

  test('a peer is not charged for what its subnet is refused', async () => {
    const { clock, connect } = create()
    const opens = (number: number) => async () =>
      !(await connect(number, near(number)).open()).inbound.isRefused
    for (const number of [1, 2]) expect(await count(opens(number))).toBe(50)
    for (let times = 0; times < 60; times++) expect(await opens(3)()).toBe(false)
    clock.advance(500)
    expect(await count(opens(3))).toBe(50)
  })

  test('get back what a peer does', async () => {
    const { guard, connect } = create({ subnetFactor: 1 })
    const served = connect(1, near(1))
    await served.ask(10)
    for (let block = 0; block < 10; block++) guard.served(served.link, served.connection)
    // 120 ms are owed.
    expect(await count(() => connect(2, near(2)).ask(1))).toBe(14)
  })

  test('do not make an answer refused', async () => {
    const { connect } = create({ subnetFactor: 1 })
    const flooder = connect(1, near(1))
    const { inbound: junk } = await flooder.open()
    for (; !junk.isRefused; ) junk.received(100)
    const answering = connect(2, near(2))
    answering.link.answersDue = 1
    const { inbound } = await answering.open()
    inbound.received(BLOCK_BYTES)
    expect(inbound.isRefused).toBe(false)
  })

  test('of this machine there are none', async () => {
    const { connect } = create()
    for (let number = 1; number <= 5; number++) expect(await count(() => connect(number).ask(1))).toBe(16)
  })
})

test('of a stream that is too much it is told once', async () => {
  const { overruns, state, peer } = create()
  state.isEnforcing = false
  const { inbound } = await peer.open()
  for (let times = 0; times < 5; times++) inbound.received(2_000)
  inbound.unreadable()
  expect(overruns).toHaveLength(1)
})

test('when nothing is enforced nothing is refused, but counted', async () => {
  const { overruns, state, peer } = create()
  state.isEnforcing = false
  for (let list = 0; list < 10; list++) expect(await peer.ask(1_000)).toBe(true)
  expect(overruns).toHaveLength(10)
  const { stream } = await peer.open()
  expect(stream.status).toBe('open')
})

test('a peer that is gone leaves nothing: Bitswap forgets its wants, and ours', async () => {
  const { guard, peer } = create()
  await peer.ask(5)
  peer.link.answersDue = 5
  guard.gone(peer.link)
  const { standingWants, standingMs, answersDue }: PeerLink = peer.link
  expect({ standingWants, standingMs, answersDue }).toEqual({
    standingWants: 0,
    standingMs: 0,
    answersDue: 0
  })
})

test('coming back does not help', async () => {
  const { guard, connect, peer } = create()
  await count(() => peer.ask(1))
  guard.gone(peer.link)
  expect(await connect(1).ask(1)).toBe(false)
})

describe('a peer that goes on although it is refused', () => {
  const TIMES = 8
  const EVERY_MS = 4_000
  const SHUT_OUT_MS = 300_000

  async function refuse(peer: { ask(wants: number): Promise<boolean> }, times: number): Promise<void> {
    for (let list = 0; list < times; list++) expect(await peer.ask(1_000)).toBe(false)
  }

  test('is shut out for five minutes', async () => {
    const { guard, clock, peer, shutOut } = create()
    const { key } = peer.link
    await refuse(peer, TIMES)
    expect([shutOut, guard.isShutOut(key)]).toEqual([[], false])
    await refuse(peer, 1)
    expect([shutOut, guard.isShutOut(key)]).toEqual([[key], true])
    expect(guard.isShutOut(peerOf(2).toString())).toBe(false)
    clock.advance(SHUT_OUT_MS - 1)
    expect(guard.isShutOut(key)).toBe(true)
    clock.advance(1)
    expect(guard.isShutOut(key)).toBe(false)
  })

  test('is not if it is refused now and then', async () => {
    const { clock, peer, shutOut } = create()
    await refuse(peer, TIMES)
    for (let time = 0; time < 20; time++) {
      clock.advance(EVERY_MS)
      await refuse(peer, 1)
    }
    expect(shutOut).toEqual([])
    await refuse(peer, 1)
    expect(shutOut).toEqual([peer.link.key])
  })

  test('gains nothing by connecting anew', async () => {
    const { guard, connect, peer, shutOut } = create()
    await refuse(peer, TIMES)
    guard.gone(peer.link)
    await refuse(connect(1), 1)
    expect(shutOut).toEqual([peer.link.key])
  })

  test('is not while it owes us answers, nor if it is to be kept, nor when nothing is enforced', async () => {
    const { peer, state, shutOut } = create()
    await refuse(peer, TIMES)
    peer.link.answersDue = 1
    await refuse(peer, 1)
    peer.link.answersDue = 0
    state.mayShutOut = false
    await refuse(peer, 1)
    state.mayShutOut = true
    state.isEnforcing = false
    await peer.ask(1_000)
    expect(shutOut).toEqual([])
    state.isEnforcing = true
    await refuse(peer, 1)
    expect(shutOut).toEqual([peer.link.key])
  })
})
