import { StreamResetError, TimeoutError } from '@libp2p/interface'
import { describe, expect, test } from 'vitest'
import { readMultihash } from '../../../src/bitswap/multihash.ts'
import { tripAt } from '../../../src/core/index.ts'
import { cidOf } from '../support/messages.ts'
import { Bench, blocks, type FakePeer, type Got, NOTHING, REST_MS, withKnown } from './support/fetcher.ts'

/** Blocks that the witness lacks. */
const LACKED = 10

interface Situation {
  readonly bench: Bench
  /** Asked for the first ten blocks, as the witness lacks them. */
  readonly peer: FakePeer
  readonly witness: FakePeer
  /** A block arrives from the witness, so that it is known that this node is connected. */
  readonly witnessed: () => Promise<void>
}

async function withWitness(bench = new Bench({ hedgeShare: 0 })): Promise<Situation> {
  const witness = bench.peer().connect()
  for (let number = 0; number < LACKED; number++) {
    const got = bench.get(number)
    await bench.settle()
    witness.tell(number, false)
    got.abort()
  }
  await bench.teach(witness, 50)
  await bench.advance(REST_MS)
  witness.takeLines()
  witness.onLine = (word, number) => {
    if (word !== 'cancel' && number < LACKED) witness.tell(number, false)
  }
  const [peer] = bench.connect(1) as [FakePeer]
  return { bench, peer, witness, witnessed: () => deliver(bench, witness) }
}

/** A block that only this peer is asked for arrives. */
async function deliver(bench: Bench, from: FakePeer): Promise<void> {
  const others = [...bench.fetcher.suppliers()].filter(({ link }) => link !== from.link)
  for (const { key } of others) bench.protection.isolate(key)
  const got = bench.get(SIGN)
  for (const { key } of others) bench.protection.release(key)
  await bench.settle()
  await from.send(SIGN)
  await bench.settle()
  expect(got.from).toEqual([from.link.peer])
}

/** The block that shows that this node is connected. */
const SIGN = 50

/** Asks a peer for blocks. */
async function ask(bench: Bench, peer: FakePeer, ...numbers: readonly number[]): Promise<Got[]> {
  peer.takeLines()
  const gots = numbers.map(number => bench.get(number))
  await bench.settle()
  expect(peer.takeLines()).toEqual(numbers.map(number => `want ${number}`))
  return gots
}

/** A peer that lacks everything. */
function connectPoor(bench: Bench): FakePeer {
  const [poor] = bench.connect(1) as [FakePeer]
  poor.onLine = (word, number) => {
    if (word !== 'cancel') poor.tell(number, false)
  }
  return poor
}

/** After how many ms of silence a peer is blamed, to the tick. */
async function limitOf({ bench, peer, witnessed }: Situation): Promise<number> {
  await ask(bench, peer, 0)
  const since = bench.clock.now()
  while (peer.faults.length === 0 && bench.clock.now() < since + 20_000) {
    await bench.advance(25)
    await witnessed()
  }
  return bench.clock.now() - since
}

describe('a peer that is silent', () => {
  test('has two seconds as long as it has delivered nothing', async () => {
    const situation = await withWitness()
    const { peer } = situation
    expect(await limitOf(situation)).toBe(2_000)
    expect(peer.faults).toEqual([['TIMEOUT', 0]])
    expect(situation.bench.told.at(-1)).toBe('timed out')
    expect(peer.failures).toBe(1)
  })

  test.each([
    ['a quarter of a second at least', [10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10], 250, 275],
    ['what its blocks take nearly always', [500], 1_500, 1_525],
    ['seven seconds at most', [4_000], 7_000, 7_025]
  ])('has %s once it has delivered', async (_, times, from, to) => {
    const situation = await withWitness()
    const { bench, peer, witness } = situation
    bench.protection.isolate(witness.link.key)
    for (const ms of times) {
      const got = bench.get(SIGN)
      // It gets on, so that it is not asked twice.
      for (let passed = 0; passed < ms; passed += 500) {
        await bench.advance(Math.min(500, ms))
        peer.trickle(2_048)
      }
      await peer.send(SIGN)
      await bench.settle()
      expect(got.bytes).toBeDefined()
    }
    bench.protection.release(witness.link.key)
    expect(peer.failures).toBe(0)
    const limitMs = await limitOf(situation)
    expect(limitMs).toBeGreaterThanOrEqual(from)
    expect(limitMs).toBeLessThanOrEqual(to)
    expect(peer.failures).toBe(1)
  })

  test('is not blamed before a block has arrived from somebody', async () => {
    const { bench, peer, witnessed } = await withWitness()
    await ask(bench, peer, 0)
    await bench.advance(2_500)
    expect([peer.failures, peer.faults]).toEqual([0, []])
    await witnessed()
    expect([peer.failures, peer.faults]).toEqual([1, [['TIMEOUT', 0]]])
    await witnessed()
    expect(peer.failures).toBe(1)
  })

  test('is not blamed when it delivers something after all', async () => {
    const { bench, peer, witnessed } = await withWitness()
    await ask(bench, peer, 0, 1)
    await bench.advance(2_500)
    await peer.send(1)
    await bench.settle()
    await witnessed()
    expect([peer.failures, peer.successes, peer.faults]).toEqual([0, 1, []])
  })

  test('is not blamed when it is too late only by a little, and its answer is taken', async () => {
    const { bench, peer, witnessed } = await withWitness()
    await ask(bench, peer, 0)
    await bench.advance(2_100)
    expect(peer.tell(0, false)).toBe(true)
    await witnessed()
    expect([peer.failures, peer.successes, peer.faults]).toEqual([0, 1, []])
  })

  test('is not blamed when the caller has given up meanwhile', async () => {
    const { bench, peer, witnessed } = await withWitness()
    const got = bench.get(0)
    await bench.advance(2_100)
    got.abort()
    await witnessed()
    expect([peer.failures, peer.inFlight, peer.faults]).toEqual([0, 0, []])
  })

  test('is not waited for: the next is asked', async () => {
    const { bench, peer, witness } = await withWitness()
    bench.protection.isolate(witness.link.key)
    await bench.teach(peer, 50)
    bench.protection.release(witness.link.key)
    await ask(bench, peer, 0)
    const [next] = bench.connect(1) as [FakePeer]
    await bench.advance(225)
    expect(next.takeLines()).toEqual([])
    await bench.advance(50)
    expect(next.takeLines()).toEqual(['want 0'])
    // It is listened to on.
    expect(peer.takeLines()).toEqual([])
    expect(await peer.send(0)).toBe(true)
    await bench.settle()
    expect(next.takeLines()).toEqual(['cancel 0'])
  })

  test('is asked for less at once afterwards', async () => {
    const { bench, peer } = await withWitness()
    await ask(bench, peer, 0)
    await bench.advance(2_025)
    peer.takeLines()
    for (let number = 1; number < 9; number++) bench.get(number)
    await bench.settle()
    expect(peer.takeLines()).toEqual(['want 1', 'want 2'])
  })

  test('when it was only asked whether it has the block is blamed as well', async () => {
    const { bench, peer, witness, witnessed } = await withWitness()
    bench.protection.isolate(witness.link.key)
    bench.protection.isolate(peer.link.key)
    const [busy] = bench.connect(1) as [FakePeer]
    await bench.teach(busy, 2_000, 4)
    connectPoor(bench)
    for (const { link } of [peer, witness]) bench.protection.release(link.key)
    // Asked for one block, the busy one comes last; the poor one is asked for the other.
    await ask(bench, peer, 0)
    bench.get(1)
    await bench.settle()
    expect(peer.takeLines()).toEqual(['have? 1'])
    busy.tell(1, true)
    peer.tell(0, false)
    await bench.settle()
    expect(busy.takeLines()).toContain('want 1')
    await bench.advance(2_025)
    await witnessed()
    // It has sent word of the other block meanwhile.
    expect(peer.faults).toEqual([['DRIP', 1]])
    expect(peer.failures).toBe(1)
  })
})

describe('a peer that says it has the block', () => {
  test('and does not send it counts as four failures', async () => {
    const { bench, peer, witnessed } = await withWitness()
    await ask(bench, peer, 0)
    expect(peer.tell(0, true)).toBe(true)
    // That was no answer yet.
    expect([peer.successes, peer.inFlight]).toEqual([0, 1])
    // Nor does what it sent with it mean that it gets on.
    await bench.advance(2_025)
    await witnessed()
    expect(peer.faults).toEqual([['HAVE_WITHOUT_BLOCK', 0]])
    expect(bench.told.at(-1)).toBe('timed out')
    expect(peer.failures).toBe(4)
  })

  test('when it is asked that, and does not send it when it is asked for it, counts as well', async () => {
    const { bench, peer, witnessed } = await withWitness()
    const poor = connectPoor(bench)
    const [other] = await ask(bench, peer, 0)
    await ask(bench, poor, 1)
    expect(peer.takeLines()).toEqual(['have? 1'])
    peer.tell(0, false)
    peer.tell(1, true)
    expect(peer.successes).toBe(2)
    await bench.settle()
    expect(peer.takeLines()).toEqual(['cancel 1', 'want 1'])
    other!.abort()
    await bench.advance(2_025)
    await witnessed()
    expect(peer.faults).toEqual([['HAVE_WITHOUT_BLOCK', 1]])
    expect(peer.failures).toBe(4)
  })

  test('and then that it lacks it is not blamed', async () => {
    const { bench, peer, witnessed } = await withWitness()
    await ask(bench, peer, 0)
    peer.tell(0, true)
    peer.tell(0, false)
    await bench.advance(2_025)
    await witnessed()
    expect([peer.failures, peer.faults]).toEqual([0, []])
  })

  test('and sends it is not blamed', async () => {
    const { bench, peer, witnessed } = await withWitness()
    await ask(bench, peer, 0)
    peer.tell(0, true)
    await bench.advance(1_000)
    await peer.send(0)
    await bench.advance(2_000)
    await witnessed()
    expect([peer.failures, peer.successes, peer.faults]).toEqual([0, 1, []])
  })

  test('of what nobody asked is not listened to', async () => {
    const { bench, peer } = await withWitness()
    expect(peer.tell(7, true)).toBe(false)
    expect(peer.tell(7, false)).toBe(false)
    await ask(bench, peer, 0)
    expect(bench.fetcher.toldPresence(peer.link, Uint8Array.of(7, 7), true)).toBe(false)
    expect(bench.fetcher.toldPresence(bench.peer().link, blocks[0]!.cid.bytes, true)).toBe(false)
  })
})

describe('a peer that sends', () => {
  test('enough is waited for', async () => {
    const { bench, peer, witnessed } = await withWitness()
    await ask(bench, peer, 0)
    // Two seconds at 1 KiB/s.
    for (let time = 0; time < 2; time++) {
      peer.trickle(2_048)
      await bench.advance(2_000)
      await witnessed()
    }
    expect(peer.faults).toEqual([])
    await peer.send(0)
    await bench.settle()
    expect([peer.failures, peer.successes]).toEqual([0, 1])
  })

  test('less than 1 KiB/s is not', async () => {
    const { bench, peer, witnessed } = await withWitness()
    await ask(bench, peer, 0)
    peer.trickle(2_048)
    await bench.advance(2_000)
    peer.trickle(2_047)
    await bench.advance(1_975)
    await witnessed()
    expect(peer.faults).toEqual([])
    await bench.advance(50)
    await witnessed()
    expect(peer.faults).toEqual([['DRIP', 0]])
    expect(peer.failures).toBe(1)
  })

  test('less than 1 KiB/s for each block it is waited for is not', async () => {
    const { bench, peer, witnessed } = await withWitness()
    await ask(bench, peer, 0, 1)
    peer.trickle(2 * 2_048 - 1)
    await bench.advance(2_025)
    await witnessed()
    // The first to be looked at is blamed; for the other alone it was enough.
    expect(peer.faults).toEqual([['DRIP', 0]])
  })

  test('is not blamed for what it sent before it was asked', async () => {
    const { bench, peer, witnessed } = await withWitness()
    peer.trickle(1_000_000)
    await ask(bench, peer, 0)
    await bench.advance(2_025)
    await witnessed()
    expect(peer.faults).toEqual([['TIMEOUT', 0]])
  })

  test('is not waited for longer than 30 seconds, however much it sends', async () => {
    const { bench, peer, witnessed } = await withWitness()
    await ask(bench, peer, 0)
    for (let time = 0; time < 29; time++) {
      peer.trickle(10_000)
      await bench.advance(1_000)
    }
    await witnessed()
    expect(peer.faults).toEqual([])
    peer.trickle(10_000)
    await bench.advance(1_025)
    await witnessed()
    expect(peer.faults).toEqual([['DRIP', 0]])
  })
})

describe('a block that is not what was asked for', () => {
  test('counts at once, sixteenfold, and the next peer is asked', async () => {
    const { bench, peer } = await withWitness()
    await ask(bench, peer, 0)
    const [next] = bench.connect(1) as [FakePeer]
    expect(await peer.sendSpoilt(0)).toBe(true)
    await bench.settle()
    expect(peer.faults).toEqual([['CORRUPT_BLOCK', 0]])
    expect(peer.failures).toBe(16)
    expect(next.takeLines()).toEqual(['want 0'])
  })

  test('opens the circuit of the peer, with all that is known of it', async () => {
    const bench = new Bench({ hedgeShare: 0, breaker: { readyToTrip: tripAt() } })
    const { peer } = await withWitness(bench)
    await ask(bench, peer, 0)
    await peer.sendSpoilt(0)
    expect(peer.status?.circuitState).toBe('OPEN')
  })

  test('ends all else the peer is asked: that is taken back, counts for nothing, and is asked of others', async () => {
    const { bench, peer } = await withWitness()
    await ask(bench, peer, 0, 1, 2)
    const [next] = bench.connect(1) as [FakePeer]
    await peer.sendSpoilt(1)
    await bench.settle()
    // Which of them it was to be nobody knows.
    expect(peer.faults).toHaveLength(1)
    expect([peer.failures, peer.inFlight]).toEqual([16, 0])
    expect(peer.takeLines()).toEqual(['cancel 1', 'cancel 2'])
    expect(next.takeLines().sort()).toEqual(['want 0', 'want 1', 'want 2'])
    // It is asked for less at once.
    next.leave(false)
    for (let number = 3; number < 9; number++) bench.get(number)
    await bench.settle()
    expect(peer.takeLines()).toEqual(['want 3', 'want 4'])
  })

  test('of another kind than anything that was asked for is unrequested, and counts once', async () => {
    const { bench, peer } = await withWitness()
    await ask(bench, peer, 0)
    const { data } = blocks[0]!
    const kinds = [
      [0, 0x55, 0x12, 32],
      [0, 0x70, 0x12, 32],
      [1, 0x70, 0x12, 32],
      [1, 0x55, 0x13, 64],
      [1, 0x55, 0x12, 20]
    ]
    for (const kind of kinds) {
      const spoilt = Uint8Array.from(data, byte => byte ^ 1)
      expect(await peer.sendBytes(Uint8Array.from(kind), spoilt)).toBe(true)
    }
    expect(peer.faults).toEqual(kinds.map(() => ['UNREQUESTED_BLOCK', undefined]))
    expect([peer.failures, peer.inFlight]).toEqual([5, 1])
  })

  test('is unrequested when the peer was only asked whether it has one', async () => {
    const { bench, peer } = await withWitness()
    const poor = connectPoor(bench)
    await ask(bench, peer, 0)
    await ask(bench, poor, 1)
    expect(peer.takeLines()).toEqual(['have? 1'])
    peer.tell(0, false)
    await peer.sendSpoilt(1)
    expect(peer.faults).toEqual([['UNREQUESTED_BLOCK', undefined]])
  })

  test.each([
    ['that cannot be hashed', Uint8Array.of(1, 0x55, 0x1e, 32)],
    ['without a prefix that can be read', Uint8Array.of(1, 0x55)]
  ])('%s is left to others', async (_, prefix) => {
    const { bench, peer } = await withWitness()
    await ask(bench, peer, 0)
    expect(await peer.sendBytes(prefix, blocks[0]!.data)).toBe(false)
    expect([peer.failures, peer.faults]).toEqual([0, []])
  })

  test('from a peer that is not connected any more is left to others', async () => {
    const { bench, peer } = await withWitness()
    await ask(bench, peer, 0)
    const sent = peer.sendSpoilt(0)
    peer.leave(false)
    expect(await sent).toBe(false)
    expect([peer.failures, peer.faults]).toEqual([0, []])
  })
})

describe('a block that nobody asked for', () => {
  test('counts once', async () => {
    const { peer } = await withWitness()
    expect(await peer.send(30)).toBe(true)
    expect(peer.faults).toEqual([['UNREQUESTED_BLOCK', undefined]])
    expect(peer.failures).toBe(1)
  })

  test('is no fault when it was asked for earlier and has come late', async () => {
    const { bench, peer } = await withWitness()
    const got = bench.get(0)
    await bench.settle()
    got.abort()
    await bench.settle()
    expect(peer.takeLines()).toEqual(['want 0', 'cancel 0'])
    expect(await peer.send(0)).toBe(false)
    expect([peer.failures, peer.faults]).toEqual([0, []])
  })

  test('is no fault when others on this node have asked for it', async () => {
    const { bench, peer } = await withWitness()
    await ask(bench, peer, 0)
    peer.link.wants.remember(readMultihash(blocks[30]!.cid.bytes)!)
    expect(await peer.send(30)).toBe(false)
    expect([peer.failures, peer.inFlight, peer.faults]).toEqual([0, 1, []])
  })

  test('is no fault when it was asked for over a connection that is gone, even if other blocks are waited for', async () => {
    const { bench, peer } = await withWitness()
    const [got] = (await ask(bench, peer, 0)) as [Got]
    peer.leave(false)
    got.abort()
    peer.connect()
    await ask(bench, peer, 1)
    expect(await peer.send(0)).toBe(false)
    expect([peer.failures, peer.inFlight, peer.faults]).toEqual([0, 1, []])
  })

  test('is a fault when it was wanted so long ago that thousands were wanted since', async () => {
    const { bench, peer } = await withWitness()
    const [got] = (await ask(bench, peer, 0)) as [Got]
    got.abort()
    const wanted = 4_096
    for (let number = 1; number < wanted; number++) {
      const controller = new AbortController()
      const block = bench.fetcher.getBlock(cidOf(number), { signal: controller.signal })
      controller.abort()
      await block.catch(() => {})
    }
    peer.link.wants.forget()
    expect(await peer.send(0)).toBe(false)
    await ask(bench, peer, 1)
    peer.link.wants.forget()
    expect(await peer.send(0)).toBe(true)
    expect(peer.faults).toEqual([['CORRUPT_BLOCK', 1]])
  })

  test('is no fault when it has come twice', async () => {
    const { bench, peer } = await withWitness()
    await ask(bench, peer, 0)
    await peer.send(0)
    await bench.settle()
    expect(await peer.send(0)).toBe(false)
    expect([peer.failures, peer.successes, peer.faults]).toEqual([0, 1, []])
  })

  test('of this peer is taken all the same when somebody waits for it', async () => {
    const { bench, peer, witness } = await withWitness()
    await ask(bench, peer, 0)
    const [other] = bench.connect(1) as [FakePeer]
    expect(await other.send(0)).toBe(true)
    await bench.settle()
    expect(peer.takeLines()).toEqual(['cancel 0'])
    expect([other.failures, other.successes, other.faults]).toEqual([0, 0, []])
    expect(witness.failures).toBe(0)
  })
})

describe('a stream that is reset', () => {
  test('is one fault, however much was asked over it, and all that is asked of others', async () => {
    const { bench, peer, witnessed } = await withWitness()
    await ask(bench, peer, 0, 1, 2, 3)
    const [next] = bench.connect(1) as [FakePeer]
    peer.stream.reset()
    await bench.settle()
    expect(peer.faults).toEqual([])
    expect(next.takeLines()).toEqual(['want 0', 'want 1', 'want 2', 'want 3'])
    await witnessed()
    expect(peer.faults).toEqual([['RESET', 0]])
    expect(bench.told.at(-1)).toBe('failed')
    expect([peer.failures, peer.inFlight]).toEqual([1, 0])
  })

  test('is no fault when nothing was asked over it that is still waited for', async () => {
    const { bench, peer, witnessed } = await withWitness()
    await ask(bench, peer, 0)
    await peer.send(0)
    peer.stream.reset()
    await bench.settle()
    await witnessed()
    expect([peer.failures, peer.faults]).toEqual([0, []])
  })

  test('is no fault besides what is overdue already', async () => {
    const { bench, peer, witnessed } = await withWitness()
    await ask(bench, peer, 0)
    await bench.advance(2_025)
    await witnessed()
    peer.stream.reset()
    await bench.settle()
    await witnessed()
    expect(peer.faults).toEqual([['TIMEOUT', 0]])
    expect(peer.failures).toBe(1)
  })

  test('leaves the peer asked for less at once', async () => {
    const { bench, peer } = await withWitness()
    await ask(bench, peer, 0)
    peer.stream.reset()
    await bench.settle()
    for (let number = 1; number < 9; number++) bench.get(number)
    await bench.settle()
    expect(peer.takeLines()).toEqual(['want 1', 'want 2'])
  })
})

describe('a stream that does not open', () => {
  test.each([
    ['since the peer resets it', new StreamResetError(), 'RESET'],
    ['in time', new TimeoutError('too late'), 'TIMEOUT']
  ])('%s is one fault', async (_, error, fault) => {
    const { bench, peer, witness } = await withWitness()
    peer.onOpen = () => Promise.reject(error)
    for (const number of [0, 1, 2]) bench.get(number)
    const [next] = bench.connect(1) as [FakePeer]
    await bench.settle()
    expect(next.takeLines()).toEqual(['want 0', 'want 1', 'want 2'])
    expect(peer.faults).toEqual([])
    await deliver(bench, witness)
    expect(peer.faults).toEqual([[fault, 0]])
    expect([peer.failures, peer.inFlight]).toEqual([1, 0])
  })

  test('for a reason of this node is none', async () => {
    const { bench, peer, witnessed } = await withWitness()
    peer.onOpen = () => Promise.reject(new Error('too many streams here'))
    for (const number of [0, 1, 2]) bench.get(number)
    const [next] = bench.connect(1) as [FakePeer]
    await bench.settle()
    expect(next.takeLines()).toEqual(['want 0', 'want 1', 'want 2'])
    await witnessed()
    expect([peer.failures, peer.inFlight, peer.faults]).toEqual([0, 0, []])
  })
})

describe('a connection that is lost', () => {
  test('by the peer while answers are due is one fault, and all is asked of others', async () => {
    const { bench, peer, witnessed } = await withWitness()
    await ask(bench, peer, 0, 1, 2)
    const [next] = bench.connect(1) as [FakePeer]
    peer.leave(true)
    await bench.settle()
    expect(next.takeLines()).toEqual(['want 0', 'want 1', 'want 2'])
    expect(peer.stream.status).toBe('closed')
    await witnessed()
    expect(peer.faults).toEqual([['PREMATURE_CLOSE', 0]])
    expect([peer.failures, peer.inFlight]).toEqual([1, 0])
  })

  test('by this node is none', async () => {
    const { bench, peer, witnessed } = await withWitness()
    await ask(bench, peer, 0, 1, 2)
    const [next] = bench.connect(1) as [FakePeer]
    peer.leave(false)
    await bench.settle()
    expect(next.takeLines()).toEqual(['want 0', 'want 1', 'want 2'])
    await witnessed()
    expect([peer.failures, peer.inFlight, peer.faults]).toEqual([0, 0, []])
  })

  test('while no answer is due is none', async () => {
    const { bench, peer, witnessed } = await withWitness()
    peer.leave(true)
    peer.leave(true)
    await witnessed()
    expect([peer.failures, peer.faults]).toEqual([0, []])
    bench.get(0)
    expect(bench.fetcher.expects(peer.link)).toBe(false)
  })

  test('and comes again is as good as new: the peer is asked again, and not told what it knows nothing of', async () => {
    const { bench, peer } = await withWitness()
    const got = bench.get(0)
    await bench.settle()
    peer.tell(0, false)
    peer.leave(false)
    await bench.settle()
    expect(peer.takeLines()).toEqual(['want 0'])
    peer.connect()
    await bench.settle()
    expect(peer.takeLines()).toEqual(['want 0'])
    peer.leave(false)
    peer.connect().leave(false)
    got.abort()
    await bench.advance(REST_MS)
    expect(peer.takeLines()).toEqual([])
    expect(bench.remains).toEqual(NOTHING)
  })

  test('is one, however many connections the peer has', async () => {
    const { bench, peer } = await withWitness()
    await ask(bench, peer, 0)
    peer.connect()
    await bench.settle()
    expect(peer.takeLines()).toEqual([])
    await peer.send(0)
    expect(peer.successes).toBe(1)
  })
})

describe('while most peers are silent', () => {
  /** Two of the three that were asked of late, witness and all: deadlines are stretched twofold. */
  async function afterOutage(): Promise<Situation> {
    const situation = await withWitness()
    const { bench, peer } = situation
    const [other] = bench.connect(1) as [FakePeer]
    const gots = [...(await ask(bench, peer, 0)), ...(await ask(bench, other, 1))]
    await bench.advance(2_025)
    for (const got of gots) got.abort()
    other.leave(false)
    await bench.settle()
    return situation
  }

  test('nobody is blamed, whoever is the first to deliver again', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const peers = bench.connect(4)
    for (const [number] of peers.entries()) bench.get(number)
    await bench.advance(4_500)
    await peers[0]!.send(0)
    await bench.settle()
    expect(peers.map(({ failures, faults }) => [failures, faults])).toEqual(peers.map(() => [0, []]))
  })

  test('those who were asked in the last half minute count as well', async () => {
    const { bench, peer, witness, witnessed } = await withWitness()
    const others = bench.connect(3)
    for (const [index, other] of others.entries()) {
      for (const { link } of [peer, witness, ...others.filter(one => one !== other)])
        bench.protection.isolate(link.key)
      const got = bench.get(20 + index)
      for (const { link } of [peer, witness, ...others]) bench.protection.release(link.key)
      await bench.settle()
      await other.send(20 + index)
      await bench.settle()
      expect(got.from).toEqual([other.link.peer])
    }
    await bench.advance(20_000)
    for (const other of others) bench.protection.isolate(other.link.key)
    const [second] = bench.connect(1) as [FakePeer]
    await ask(bench, peer, 0)
    await ask(bench, second, 1)
    await bench.advance(2_025)
    for (const other of others) bench.protection.release(other.link.key)
    await witnessed()
    // Two of six.
    expect([peer.failures, second.failures]).toEqual([1, 1])
  })

  test('a peer is blamed later than usual', async () => {
    const { bench, peer, witnessed } = await afterOutage()
    await witnessed()
    await ask(bench, peer, 2)
    // It is asked soon, and gets on.
    const [next] = bench.connect(1) as [FakePeer]
    const advance = async (ms: number): Promise<void> => {
      next.trickle(1_000_000)
      await bench.advance(ms)
      await witnessed()
    }
    await advance(2_025)
    expect(next.takeLines()).toEqual(['want 2'])
    // The time was doubled, of which 0.85 are left.
    await advance(1_350)
    expect(peer.faults).toEqual([])
    await advance(50)
    expect(peer.faults).toEqual([['TIMEOUT', 2]])
  })

  test('a peer is not blamed for what it was asked before that was over', async () => {
    const { bench, peer, witnessed } = await afterOutage()
    await ask(bench, peer, 2)
    await bench.advance(25)
    await witnessed()
    // It would be by now; when it is asked once more is another matter.
    for (let time = 0; time < 4; time++) {
      await bench.advance(1_000)
      await witnessed()
    }
    expect([peer.failures, peer.faults]).toEqual([0, []])
  })

  test('those who are silent but not blamed yet count, until they say something', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a, b] = bench.connect(2) as [FakePeer, FakePeer]
    for (const number of [0, 1]) bench.get(number)
    await bench.advance(2_100)
    expect(bench.fetcher.isOutage).toBe(true)
    const others = bench.connect(3)
    await bench.advance(2_100)
    // Two of five are blamed, if it is counted; the others have more time.
    expect(bench.fetcher.isOutage).toBe(true)
    for (const peer of others) peer.trickle(1)
    expect(bench.fetcher.isOutage).toBe(false)
    // It was one all the same.
    await a.send(0)
    await bench.settle()
    expect([a, b, ...others].map(({ failures }) => failures)).toEqual([0, 0, 0, 0, 0])
  })

  test('nobody is to blame only because others come meanwhile, of whom fewer are silent', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const [a, b] = bench.connect(2) as [FakePeer, FakePeer]
    for (const number of [0, 1]) bench.get(number)
    await bench.advance(2_025)
    expect(bench.fetcher.isOutage).toBe(true)
    bench.connect(3)
    await bench.advance(25)
    expect(bench.fetcher.isOutage).toBe(false)
    await a.send(0)
    await bench.settle()
    expect([b.failures, b.faults]).toEqual([0, []])
  })

  test('whoever sends something, be it too little, does not count as silent', async () => {
    const { bench, peer: drip, witnessed } = await afterOutage()
    await witnessed()
    await ask(bench, drip, 2)
    const [silent] = bench.connect(1) as [FakePeer]
    await ask(bench, silent, 3)
    await bench.advance(1_000)
    drip.trickle(1)
    await bench.advance(1_100)
    const silentPeers = [...bench.fetcher.suppliers()].filter(({ silentAtMs }) => silentAtMs > -Infinity)
    expect(silentPeers.map(({ link }) => link)).toEqual([silent.link])
  })

  test('who was asked for a block has a moment to send it once anything arrives, before others are asked', async () => {
    const bench = new Bench({ hedgeShare: 0 })
    const peers = await withKnown(bench, 50, 50, 50)
    const [a, b, c] = peers as [FakePeer, FakePeer, FakePeer]
    const gots = [0, 1, 2].map(number => bench.get(number))
    await bench.advance(600)
    expect(bench.fetcher.isOutage).toBe(true)
    expect(peers.map(peer => peer.takeLines().filter(line => line.startsWith('want')))).toEqual([
      ['want 0'],
      ['want 1'],
      ['want 2']
    ])
    // All of them are there again; one is quicker with words than with blocks.
    for (const number of [1, 2]) a.tell(number, true)
    await bench.advance(25)
    expect(a.takeLines()).toEqual([])
    await b.send(1)
    await a.send(0)
    await bench.settle()
    await bench.advance(50)
    // One still has not come.
    expect(a.takeLines()).toContain('want 2')
    await c.send(2)
    await bench.settle()
    expect(gots.map(({ from }) => from)).toEqual([[a.link.peer], [b.link.peer], [c.link.peer]])
    expect(peers.map(({ failures }) => failures)).toEqual([0, 0, 0])
  })

  test('all but the first are asked whether they have a block, and one that has it for the block', async () => {
    const bench = new Bench()
    bench.connect(2)
    const got = bench.get(0)
    await bench.advance(5_000)
    expect(bench.fetcher.isOutage).toBe(true)
    const peers = bench.connect(3)
    await bench.advance(1_000)
    expect(peers.map(peer => peer.takeLines())).toEqual([['have? 0'], ['have? 0'], ['have? 0']])
    const other = bench.get(1)
    await bench.settle()
    const asked = new Map(peers.map(peer => [peer, peer.takeLines()]))
    expect([...asked.values()].flat().toSorted()).toEqual(['have? 1', 'have? 1', 'want 1'])
    const [late, later] = peers.filter(peer => asked.get(peer)!.includes('have? 1')) as [FakePeer, FakePeer]
    for (const peer of [late, later]) for (const number of [0, 1]) peer.tell(number, true)
    await bench.advance(25)
    const wanted = [late, later].map(peer => peer.takeLines().filter(line => line.startsWith('want')))
    expect(wanted.flat().toSorted()).toEqual(['want 0', 'want 1'])
    for (const [index, peer] of [late, later].entries())
      for (const number of [0, 1]) if (wanted[index]!.includes(`want ${number}`)) await peer.send(number)
    await bench.settle()
    expect([got, other].map(({ isPending }) => isPending)).toEqual([false, false])
  })

  test('a peer that answers within the time that was added is not blamed', async () => {
    const { bench, peer, witnessed } = await afterOutage()
    await ask(bench, peer, 2)
    const [next] = bench.connect(1) as [FakePeer]
    next.trickle(1_000_000)
    await bench.advance(2_025)
    next.trickle(1_000_000)
    await bench.advance(1_000)
    await peer.send(2)
    await bench.advance(3_000)
    await witnessed()
    expect([peer.failures, peer.successes, peer.faults]).toEqual([0, 1, []])
    expect([next.failures, next.faults]).toEqual([0, []])
  })
})

test('how long it took is measured from when a peer was asked', async () => {
  const { bench, peer } = await withWitness()
  await ask(bench, peer, 0)
  await bench.advance(300)
  await peer.send(0)
  expect(bench.protection.getHealth(peer.link.key)?.responseTimeMs).toBeCloseTo(300)
})

test('an answer that comes after others of the same peer is measured from the one before', async () => {
  const bench = new Bench({ hedgeShare: 0, breaker: { slowCallMs: 1_000 } })
  const { peer } = await withWitness(bench)
  await ask(bench, peer, 0, 1)
  await bench.advance(900)
  await peer.send(0)
  await bench.advance(900)
  await peer.send(1)
  expect([peer.failures, peer.successes]).toEqual([0, 2])
})

test('an answer that comes after the caller gave up another block is measured from when it was asked', async () => {
  const bench = new Bench({ hedgeShare: 0, breaker: { slowCallMs: 1_000 } })
  const { peer } = await withWitness(bench)
  const [other] = (await ask(bench, peer, 0, 1)) as [Got]
  await bench.advance(900)
  other.abort()
  await bench.advance(600)
  await peer.send(1)
  // Too slow, which is for the core to say.
  expect([peer.failures, peer.successes, peer.faults]).toEqual([1, 0, []])
})
