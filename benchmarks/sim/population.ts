import { seededRandom } from '../harness.ts'
import { seededStream } from '../rig/seeded-stream.ts'
import { type FaultWay, faultWays, type Swarm } from './swarm.ts'

/** Time peers usually take for an answer, in ms: from one in the same building to one on a bad line. */
const TIERS_MS = [10, 60, 200, 800]
/** Standard deviation of the logarithm of a response time: one in a thousand takes six times as long as usual. */
const SPREAD = 0.6

/** Factors to choose from, so that a response time costs no logarithm. */
const TAIL = logNormalFactors(2 ** 16)

function logNormalFactors(count: number): Float64Array {
  const random = seededRandom(1)
  // Box-Muller: two even chances make a normal one.
  return Float64Array.from({ length: count }, () => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    return Math.exp(SPREAD * normal)
  })
}

/** What the peers of a swarm are like, in typed arrays: there may be a million of them. */
export class Population {
  readonly #swarm: Swarm
  readonly #faultChance: () => number
  readonly #latencyChance: () => number
  /** How often a newcomer has taken the place. */
  readonly #generations: Int32Array
  readonly #tiers: Uint8Array
  /** One more than the number of the way in which it fails; 0 if nothing is wrong. */
  readonly #ways: Uint8Array
  readonly #fromMs: Float64Array
  readonly #untilMs: Float64Array
  readonly #badMs: Float64Array
  readonly #goodMs: Float64Array
  /** Calls left until it turns bad; 0 if that does not depend on calls. */
  readonly #callsLeft: Int32Array

  constructor(swarm: Swarm, seed: number) {
    const { peers } = swarm
    this.#swarm = swarm
    this.#faultChance = seededStream(seed, 'fault')
    this.#latencyChance = seededStream(seed, 'latency')
    this.#generations = new Int32Array(peers).fill(-1)
    this.#tiers = new Uint8Array(peers)
    this.#ways = new Uint8Array(peers)
    this.#fromMs = new Float64Array(peers)
    this.#untilMs = new Float64Array(peers)
    this.#badMs = new Float64Array(peers)
    this.#goodMs = new Float64Array(peers)
    this.#callsLeft = new Int32Array(peers)
    for (let peer = 0; peer < peers; peer++) this.renew(peer)
  }

  /** A newcomer takes the place of a peer. */
  renew(peer: number): void {
    const fault = this.#swarm.fault(peer, this.#faultChance)
    this.#generations[peer]!++
    this.#tiers[peer] = Math.floor(this.#faultChance() * TIERS_MS.length)
    this.#ways[peer] = fault === undefined ? 0 : 1 + faultWays.indexOf(fault.way)
    this.#callsLeft[peer] = fault?.fromCall ?? 0
    this.#fromMs[peer] = fault?.fromCall === undefined ? (fault?.fromMs ?? 0) : Infinity
    this.#untilMs[peer] = fault?.untilMs ?? Infinity
    this.#badMs[peer] = fault?.turns?.badMs ?? Infinity
    this.#goodMs[peer] = fault?.turns?.goodMs ?? 0
  }

  /** A number that no other peer has, nor had before. */
  identity(peer: number): number {
    return this.#generations[peer]! * this.#swarm.peers + peer
  }

  /** The peer with an identity; -1 if it has been replaced. */
  peerOf(identity: number): number {
    const peer = identity % this.#swarm.peers
    return this.identity(peer) === identity ? peer : -1
  }

  /** How a peer fails now; `undefined` if it answers. */
  failing(peer: number, nowMs: number): FaultWay | undefined {
    const way = this.#ways[peer]!
    if (way === 0) return undefined
    const sinceMs = nowMs - this.#fromMs[peer]!
    if (sinceMs < 0 || nowMs >= this.#untilMs[peer]!) return undefined
    const badMs = this.#badMs[peer]!
    const isBad = badMs === Infinity || sinceMs % (badMs + this.#goodMs[peer]!) < badMs
    return isBad ? faultWays[way - 1] : undefined
  }

  /** When the fault of a peer is cured, in ms. */
  curedMs(peer: number): number {
    return this.#untilMs[peer]!
  }

  /** How long the fault of a peer lasts, in ms. */
  faultMs(peer: number): number {
    return this.#untilMs[peer]! - this.#fromMs[peer]!
  }

  /** Notes a call to a peer, which may be the one with which it turns bad. */
  called(peer: number, nowMs: number): void {
    if (this.#callsLeft[peer]! > 0 && --this.#callsLeft[peer]! === 0) this.#fromMs[peer] = nowMs
  }

  /** How long a peer takes for an answer this time, in ms. */
  responseMs(peer: number): number {
    return TIERS_MS[this.#tiers[peer]!]! * TAIL[Math.floor(this.#latencyChance() * TAIL.length)]!
  }
}
