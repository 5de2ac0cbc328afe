import fc from 'fast-check'
import { expect, test } from 'vitest'
import { tripAt } from '../../../src/core/index.ts'
import { Bench, blocks, type FakePeer, type Got, NOTHING, REST_MS, STEP_MS } from './support/fetcher.ts'

/** No peer has less time than this to answer, in ms. */
const LEAST_LIMIT_MS = 250
const BLOCKS = 12

/** What a peer does with something it is asked. */
type Deed = 'answer' | 'nothing' | 'promise' | 'spoil' | 'send another' | 'reset' | 'leave' | 'trickle'

interface Character {
  /** What opening a stream to it takes, and an answer, in ms; together less than a peer has at least. */
  readonly openMs: number
  readonly answerMs: number
  /** It has every block whose number this divides. */
  readonly divisor: number
  /** What it does with what it is asked, one after the other; then from the start. */
  readonly deeds: readonly Deed[]
}

/** Peers and callers of whom anything can be expected. */
class World {
  readonly bench = new Bench({
    breaker: { readyToTrip: tripAt(), timeoutMs: 2_000 },
    recovery: { recoveryIntervalMs: 500, cooldownPeriodMs: 0 },
    maxEjectedShare: 0.5
  })
  readonly peers: FakePeer[] = []
  /** Peers that can be blamed for something. */
  readonly guilty = new Set<FakePeer>()
  readonly gots: Array<{ number: number; got: Got; reason: Error }> = []

  constructor(characters: readonly Character[]) {
    for (const character of characters) this.#add(character)
  }

  get(number: number): void {
    this.gots.push({ number, got: this.bench.get(number), reason: new Error(`caller ${this.gots.length}`) })
  }

  abort(which: number): void {
    const one = this.gots[which % Math.max(1, this.gots.length)]
    one?.got.abort(one.reason)
  }

  connect(which: number): void {
    this.peers[which % this.peers.length]!.connect()
  }

  /** This node closes the connection. */
  close(which: number): void {
    this.peers[which % this.peers.length]!.leave(false)
  }

  suspect(which: number): void {
    const { link } = this.peers[which % this.peers.length]!
    if (this.bench.protection.suspect(link.key)) this.bench.fetcher.suspected(link)
  }

  clear(which: number): void {
    const { link } = this.peers[which % this.peers.length]!
    if (this.bench.protection.clearSuspicion(link.key)) this.bench.fetcher.readmitted()
  }

  /** All give up who still wait. */
  async end(): Promise<void> {
    for (let which = 0; which < this.gots.length; which++) this.abort(which)
    await this.bench.advance(REST_MS)
  }

  #add({ openMs, answerMs, divisor, deeds }: Character): void {
    const { clock } = this.bench
    const peer = this.bench.peer()
    this.peers.push(peer)
    let done = 0
    /** What it was asked that was not taken back, as one object for each time. */
    const open = new Map<number, object>()
    peer.onOpen = () => new Promise(resolve => clock.schedule(() => resolve(peer.newStream()), openMs))
    peer.onLine = (word, number) => {
      if (word === 'cancel') {
        open.delete(number)
        return
      }
      const ask = {}
      open.set(number, ask)
      const later = (act: () => void, ms = answerMs): void => {
        clock.schedule(() => {
          if (open.get(number) === ask) act()
        }, ms)
      }
      const answer = (): void => {
        open.delete(number)
        if (number % divisor !== 0) peer.tell(number, false)
        else if (word === 'have?') peer.tell(number, true)
        else void peer.send(number)
      }
      // It was asked that long before it could read so, and a step of the bench: time moves no finer.
      later(() => this.guilty.add(peer), LEAST_LIMIT_MS - openMs - STEP_MS)
      const deed = deeds[done++ % deeds.length]!
      if (deed === 'answer') later(answer)
      else if (deed !== 'nothing') later(() => this.#misbehave(peer, deed, number, answer))
    }
  }

  #misbehave(peer: FakePeer, deed: Deed, number: number, answer: () => void): void {
    if (deed === 'trickle') {
      peer.trickle(300)
      this.bench.clock.schedule(answer, 50)
      return
    }
    if (deed === 'promise') {
      // That alone is no fault.
      peer.tell(number, true)
      return
    }
    this.guilty.add(peer)
    if (deed === 'spoil') void peer.sendSpoilt(number)
    else if (deed === 'send another') void peer.send(BLOCKS + 1)
    else if (deed === 'reset') peer.stream.reset()
    else peer.leave(true)
  }
}

interface Step {
  take(world: World): void | Promise<void>
}

/** Something that may happen, of one of these; shown by its name when a test fails. */
function weighed(
  weight: number,
  name: string,
  values: fc.Arbitrary<number>,
  take: (world: World, value: number) => void | Promise<void>
): fc.WeightedArbitrary<Step> {
  const arbitrary = values.map(value => ({
    take: (world: World) => take(world, value),
    [fc.toStringMethod]: () => `${name} ${value}`
  }))
  return { weight, arbitrary }
}

const which = fc.nat(11)

const step: fc.Arbitrary<Step> = fc.oneof(
  weighed(8, 'get', fc.nat(BLOCKS - 1), (world, number) => world.get(number)),
  weighed(3, 'abort', which, (world, index) => world.abort(index)),
  weighed(3, 'connect', which, (world, index) => world.connect(index)),
  weighed(1, 'close', which, (world, index) => world.close(index)),
  weighed(1, 'suspect', which, (world, index) => world.suspect(index)),
  weighed(2, 'clear', which, (world, index) => world.clear(index)),
  weighed(8, 'advance', fc.constantFrom(25, 50, 100, 300, 1_000, 2_500), (world, ms) =>
    world.bench.advance(ms)
  )
)

function character(deeds: fc.Arbitrary<readonly Deed[]>): fc.Arbitrary<Character> {
  return fc.record({
    openMs: fc.constantFrom(0, 5, 50),
    answerMs: fc.constantFrom(1, 10, 60, 150),
    divisor: fc.constantFrom(1, 1, 2, 3),
    deeds
  })
}

const good = character(fc.constant(['answer']))
const slow = character(
  fc.array(fc.constantFrom<Deed[]>('answer', 'nothing', 'trickle'), { minLength: 1, maxLength: 4 })
)
const bad = character(
  fc.array(
    fc.constantFrom<Deed[]>(
      'answer',
      'nothing',
      'promise',
      'spoil',
      'send another',
      'reset',
      'leave',
      'trickle'
    ),
    { minLength: 1, maxLength: 4 }
  )
)

const worlds = fc.tuple(
  fc.array(fc.oneof(good, slow, bad), { minLength: 1, maxLength: 5 }),
  fc.array(step, { minLength: 10, maxLength: 60, size: 'max' })
)

test('whatever happens, nobody is blamed who did nothing wrong, each caller gets his block or his own reason, and nothing is left', async () => {
  const seen = { got: 0, rejected: 0, faults: new Set<string>(), innocent: 0, opened: 0 }
  await fc.assert(
    fc.asyncProperty(worlds, async ([characters, steps]) => {
      const world = new World(characters)
      const { bench, peers, guilty, gots } = world
      for (const one of steps) {
        await one.take(world)
        await bench.settle()
      }
      await world.end()

      for (const { number, got, reason } of gots) {
        if (got.error === undefined) expect(got.bytes).toEqual(blocks[number]!.data)
        else expect(got.error).toBe(reason)
        seen[got.error === undefined ? 'got' : 'rejected']++
      }
      for (const peer of peers) {
        if (guilty.has(peer)) continue
        seen.innocent++
        expect([peer.failures, peer.faults, peer.status?.circuitState ?? 'CLOSED']).toEqual([0, [], 'CLOSED'])
      }
      for (const { fault } of bench.faults) seen.faults.add(fault)
      for (const peer of peers) if (peer.status?.circuitState !== 'CLOSED') seen.opened++

      // Verdicts may be held still, as nothing has come that would confirm them.
      const { asks, deadlines } = bench.remains
      expect({ asks, deadlines }).toEqual({ asks: 0, deadlines: 0 })
      bench.fetcher.stop(new Error('stopped'))
      expect(bench.remains).toEqual(NOTHING)
      await bench.advance(REST_MS)
      expect(bench.remains).toEqual(NOTHING)
    }),
    { numRuns: 300 }
  )
  // Nearly all ways were gone: by chance a run may lack the rarest fault.
  expect(seen.faults.size).toBeGreaterThanOrEqual(5)
  for (const count of [seen.got, seen.rejected, seen.innocent, seen.opened]) expect(count).toBeGreaterThan(50)
}, 60_000)
