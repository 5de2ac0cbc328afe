import { type PeerId, type Stream, StreamResetError, UnsupportedProtocolError } from '@libp2p/interface'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { PeerLink } from '../../src/bitswap/peer-link.ts'
import { BITSWAP } from '../../src/bitswap/protocols.ts'
import { tripAt } from '../../src/core/index.ts'
import { createGate } from './support/gate.ts'
import { cidOf, wants } from './support/messages.ts'
import type { Opening } from './support/node.ts'
import { peerOf } from './support/peers.ts'
import { settle } from './support/streams.ts'

const peers = [1, 2, 3].map(peerOf)

const broken = (): Error => Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })

const errors = [
  () => new StreamResetError(),
  () => new UnsupportedProtocolError(),
  broken,
  () => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
  () => new Error('something of ours')
]

/** A gate, and a network around it in which anything may happen to anybody. */
class World {
  readonly gate = createGate({
    breaker: { readyToTrip: tripAt({ consecutiveFailures: 1 }), timeoutMs: 3000 }
  })
  readonly #manager = this.gate.node.connectionManager
  /** Streams that callers got, and the other ends of those that were opened. */
  readonly #streams: Stream[] = []
  readonly #remotes: Stream[] = []
  readonly #controllers: AbortController[] = []
  /** Streams being opened, of all connections there ever were. */
  readonly #openings = new Set<Opening>()
  /** What became of attempts. */
  readonly outcomes = new Set<string>()

  open(peer: PeerId, protocols: string | string[]): void {
    const controller = new AbortController()
    this.#controllers.push(controller)
    this.#manager.openStream(peer, protocols, { signal: controller.signal }).then(
      stream => {
        this.#streams.push(stream)
        this.outcomes.add(stream.constructor.name)
      },
      (error: Error) => {
        this.outcomes.add(error.name)
      }
    )
  }

  async answer(which: number): Promise<void> {
    const opening = this.#take(which)
    if (opening === undefined || opening.options?.signal?.aborted) return
    this.#remotes.push((await opening.open()).theirs)
  }

  fail(which: number, error: Error): void {
    this.#take(which)?.reject(error)
  }

  failDial(which: number, error: Error): void {
    pick(this.#manager.dials, which)?.reject(error)
  }

  want(which: number): void {
    const stream = pick(this.#streams, which)
    if (stream?.writeStatus === 'writable') stream.send(wants([cidOf(which)]))
  }

  async close(which: number): Promise<void> {
    await pick(this.#streams, which)
      ?.close()
      .catch(() => {})
  }

  reset(which: number): void {
    pick(this.#remotes, which)?.abort(new Error('go away'))
  }

  abort(which: number): void {
    pick(this.#controllers, which)?.abort(new Error('no longer needed'))
  }

  connect(peer: PeerId): void {
    const dial = this.#manager.dials.findLast(({ target }) => peer.equals(target as PeerId))
    if (dial !== undefined) this.gate.node.answer(dial, peer)
    else this.gate.node.connect(peer)
  }

  lose(peer: PeerId, error?: Error): void {
    this.#noteOpenings()
    this.#manager.getConnections(peer)[0]?.lose(error)
  }

  /** Everything ends. */
  async end(): Promise<void> {
    // What ends may have led to another attempt.
    for (let round = 0; round < 4; round++) {
      this.#noteOpenings()
      for (const connection of [...this.#manager.connections]) connection.lose()
      for (const opening of this.#openings) opening.reject(new Error('gone'))
      for (const dial of this.#manager.dials) dial.reject(new Error('gone'))
      for (const stream of this.#streams) stream.abort(new Error('gone'))
      await settle()
    }
    await this.gate.advance(40_000)
  }

  #noteOpenings(): void {
    for (const { openings } of this.#manager.connections)
      for (const opening of openings.splice(0)) this.#openings.add(opening)
  }

  #take(which: number): Opening | undefined {
    this.#noteOpenings()
    const opening = pick([...this.#openings], which)
    if (opening !== undefined) this.#openings.delete(opening)
    return opening
  }
}

function pick<Value>(values: readonly Value[], which: number): Value | undefined {
  return values.length === 0 ? undefined : values[which % values.length]
}

interface Step {
  take(world: World): void | Promise<void>
}

const peer = fc.constantFrom(...peers)
const which = fc.nat(7)

/** Something that may happen, of one of these; shown by its name when a test fails. */
function weighed<Value>(
  weight: number,
  name: string,
  values: fc.Arbitrary<Value>,
  take: (world: World, value: Value) => void | Promise<void>
): fc.WeightedArbitrary<Step> {
  const arbitrary = values.map(value => ({
    take: (world: World) => take(world, value),
    [fc.toStringMethod]: () => `${name} ${Array.isArray(value) ? value.join(' ') : value}`
  }))
  return { weight, arbitrary }
}

const failure = fc.tuple(which, fc.constantFrom(...errors))

const step: fc.Arbitrary<Step> = fc.oneof(
  weighed(5, 'open', peer, (world, id) => world.open(id, BITSWAP)),
  weighed(1, 'open any', peer, (world, id) => world.open(id, [BITSWAP, '/ipfs/bitswap/1.1.0'])),
  weighed(3, 'answer', which, (world, index) => world.answer(index)),
  weighed(2, 'fail', failure, (world, [index, error]) => world.fail(index, error())),
  weighed(2, 'fail dial', failure, (world, [index, error]) => world.failDial(index, error())),
  weighed(3, 'want', which, (world, index) => world.want(index)),
  weighed(1, 'close', which, (world, index) => world.close(index)),
  weighed(1, 'reset', which, (world, index) => world.reset(index)),
  weighed(1, 'abort', which, (world, index) => world.abort(index)),
  weighed(2, 'connect', peer, (world, id) => world.connect(id)),
  weighed(1, 'lose', peer, (world, id) => world.lose(id)),
  weighed(1, 'break', peer, (world, id) => world.lose(id, broken())),
  weighed(4, 'advance', fc.constantFrom(25, 400, 2000, 8000), (world, ms) => world.gate.advance(ms))
)

test('whatever happens, in the end nothing is under way, and nobody is suspect', async () => {
  const outcomes = new Set<string>()
  let mostHeld = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), async steps => {
      const world = new World()
      const known = new Set<PeerLink>()
      let heldAtOnce = 0
      for (const one of steps) {
        await one.take(world)
        await settle()
        for (const link of world.gate.links.values()) {
          known.add(link)
          heldAtOnce = Math.max(heldAtOnce, link.held.size)
        }
      }
      await world.end()
      const { protection, links, deadlines, clock } = world.gate
      expect(peers.map(id => protection.isSuspect(id.toString()))).toEqual([false, false, false])
      expect(protection.getOverallStatus().inFlight).toBe(0)
      expect([...links.values()].map(({ opening, detached }) => [opening, detached])).toEqual([])
      expect([...known].map(({ held }) => held.size)).toEqual([...known].map(() => 0))
      mostHeld = Math.max(mostHeld, heldAtOnce)
      expect(deadlines.size).toBe(0)
      // That of the core, which looks after what is open.
      expect(clock.pendingTimers).toBeLessThanOrEqual(1)
      for (const outcome of world.outcomes) outcomes.add(outcome)
    }),
    { numRuns: 200 }
  )
  // All ways were gone.
  for (const outcome of ['DeferredStream', 'CircuitOpenError', 'SuspectError', 'UnsupportedProtocolError'])
    expect(outcomes).toContain(outcome)
  expect(mostHeld).toBeGreaterThan(1)
}, 60_000)
