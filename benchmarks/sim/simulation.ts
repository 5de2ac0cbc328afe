import {
  ManualClock,
  type Protection,
  type ProtectionEventType,
  type ProtectionOptions
} from 'bitswap-protection/core'
import { seededStream } from '../rig/seeded-stream.ts'
import { type Arm, oracle, ProtectedArm, unprotected } from './arm.ts'
import { CallPool } from './call-pool.ts'
import { EventQueue } from './event-queue.ts'
import { Population } from './population.ts'
import type { FaultWay, Swarm } from './swarm.ts'
import { outcomes, Tally } from './tally.ts'

const { ANSWER, NOISE, FAULT } = outcomes

/** Longest a caller waits for an answer, in ms. */
const CALL_TIMEOUT_MS = 5_000
/** How long a peer takes that refuses at once, in ms. */
const REFUSAL_MS = 1

const NOBODY = -1
/** Numbers candidates of all requests apart. */
const MAX_CANDIDATES = 8

export type ArmName = 'protected' | 'unprotected' | 'oracle'

/** What is told of single peers. */
export interface Watcher {
  answered(peer: number, startedMs: number, nowMs: number): void
  changed(type: ProtectionEventType, peer: number, nowMs: number): void
}

export interface SimulationOptions {
  readonly arm?: ArmName
  readonly protection?: Partial<ProtectionOptions>
  /** Whether a request for which nobody may be called is sent all the same, best to a peer that is recovering. */
  readonly usesLastResort?: boolean
}

/**
 * A node that calls the peers of a swarm, in virtual time: what happens next is looked up in a queue, and the clock is
 * moved there. The same seed gives the same run, on any machine.
 */
export class Simulation {
  readonly population: Population
  readonly tally: Tally
  readonly clock = new ManualClock()
  watcher: Watcher | undefined
  readonly #swarm: Swarm
  readonly #arm: Arm
  readonly #usesLastResort: boolean
  readonly #calls = new CallPool()
  /** When calls end. */
  readonly #ends = new EventQueue()
  /** The peers that are called now. */
  readonly #active: Int32Array
  readonly #isActive: Uint8Array
  /** Next peer whose turn it is to become active. */
  #nextPeer = 0
  #nextRequestMs = 0
  #nextSessionMs = 0
  readonly #requestChance: () => number
  readonly #candidateSeed: number
  readonly #sessionChance: () => number
  readonly #noiseChance: () => number

  constructor(
    swarm: Swarm,
    seed: number,
    { arm = 'protected', protection, usesLastResort = false }: SimulationOptions = {}
  ) {
    this.#swarm = swarm
    this.#usesLastResort = usesLastResort
    this.population = new Population(swarm, seed)
    this.tally = new Tally(swarm)
    this.#requestChance = seededStream(seed, 'request')
    this.#candidateSeed = Math.floor(seededStream(seed, 'candidate')() * 2 ** 32)
    this.#sessionChance = seededStream(seed, 'session')
    this.#noiseChance = seededStream(seed, 'noise')
    this.#arm = this.#createArm(arm, seed, { maxTargets: swarm.peers, ...protection })
    this.#isActive = new Uint8Array(swarm.peers)
    this.#active = Int32Array.from({ length: swarm.active }, () => this.#takeIdle())
    this.#planRequest()
    this.#planSession()
  }

  /** The protection, in the arm that has one. */
  get protection(): Protection | undefined {
    return this.#arm instanceof ProtectedArm ? this.#arm.protection : undefined
  }

  /** Lets go of the protection, so that it alone can be kept. */
  detach(): void {
    if (this.#arm instanceof ProtectedArm) this.#arm.detach()
  }

  /** Lets all happen up to the end. */
  run(): this {
    this.runUntil(this.#swarm.durationMs)
    for (const peer of this.#active) this.tally.left(peer)
    return this
  }

  /** Lets all happen up to a moment. */
  runUntil(untilMs: number): void {
    for (;;) {
      const nextMs = Math.min(this.#nextRequestMs, this.#nextSessionMs, this.#ends.nextMs)
      if (nextMs > untilMs) break
      this.#moveTo(nextMs)
      if (nextMs === this.#ends.nextMs) this.#end(this.#ends.pop())
      else if (nextMs === this.#nextSessionMs) this.#changeSession()
      else this.#request()
    }
    this.#moveTo(untilMs)
  }

  #createArm(name: ArmName, seed: number, options: Partial<ProtectionOptions>): Arm {
    if (name === 'unprotected') return unprotected
    if (name === 'oracle') return oracle(peer => this.#failing(peer) === undefined)
    return new ProtectedArm(this.population, this.clock, seed, options, (type, peer) => {
      this.tally.changed(type, peer, this.clock.now())
      this.watcher?.changed(type, peer, this.clock.now())
    })
  }

  #moveTo(nowMs: number): void {
    this.clock.advance(Math.max(0, nowMs - this.clock.now()))
  }

  #request(): void {
    this.#planRequest()
    this.#call(++this.tally.counts.requests, 1, NOBODY)
  }

  /** Calls the first of the candidates that may be called; if none may, perhaps one of them all the same. */
  #call(request: number, tries: number, triedPeer: number): void {
    const nowMs = this.clock.now()
    let lastResort = NOBODY
    for (let number = 0; number < this.#swarm.candidates; number++) {
      const peer = this.#candidate(request, number)
      if (peer === triedPeer) continue
      const slot = this.#arm.slot(peer, nowMs)
      const token = this.#arm.admit(slot, peer, nowMs)
      this.tally.asked(this.#failing(peer) === undefined, token < 0)
      if (token >= 0) {
        this.#start(request, tries, peer, slot, token)
        return
      }
      const isBest = this.#usesLastResort && (lastResort === NOBODY || this.#arm.isRecovering(slot, nowMs))
      if (isBest) lastResort = peer
    }
    if (lastResort === NOBODY) {
      this.tally.counts.nobodyToCall++
      return
    }
    const slot = this.#arm.slot(lastResort, nowMs)
    this.#start(request, tries, lastResort, slot, this.#arm.admitAnyway(slot, nowMs))
  }

  /**
   * A peer that could answer a request: worked out from the numbers alone, so that they are the same ones for another
   * try, and in each arm. The numbers are mixed as MurmurHash3 does at its end.
   */
  #candidate(request: number, number: number): number {
    let mixed = (request * MAX_CANDIDATES + number) ^ this.#candidateSeed
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
    const chance = ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32
    return this.#active[Math.floor(chance * this.#active.length)]!
  }

  /** What becomes of a call is settled as it starts: a fault that begins or ends meanwhile changes nothing. */
  #start(request: number, tries: number, peer: number, slot: number, token: number): void {
    const nowMs = this.clock.now()
    const failing = this.#failing(peer)
    const calls = this.#calls
    const call = calls.take()
    this.population.called(peer, nowMs)
    const responseMs = this.population.responseMs(peer)
    const isLate = responseMs >= CALL_TIMEOUT_MS
    const isNoise = this.#noiseChance() < this.#swarm.noiseShare || isLate
    calls.peer[call] = peer
    calls.identity[call] = this.population.identity(peer)
    calls.slot[call] = slot
    calls.token[call] = token
    calls.outcome[call] = failing !== undefined ? FAULT : isNoise ? NOISE : ANSWER
    calls.request[call] = request
    calls.tries[call] = tries
    calls.startedMs[call] = nowMs
    this.#ends.push(nowMs + tookMs(failing, responseMs), call)
  }

  #end(call: number): void {
    const nowMs = this.clock.now()
    const calls = this.#calls
    const peer = calls.peer[call]!
    const outcome = calls.outcome[call]!
    const tries = calls.tries[call]!
    const startedMs = calls.startedMs[call]!
    const isSame = this.population.identity(peer) === calls.identity[call]
    this.tally.ended(isSame ? peer : NOBODY, outcome, tries, nowMs - startedMs, nowMs)
    if (outcome === ANSWER) this.watcher?.answered(peer, startedMs, nowMs)
    this.#arm.settle(calls.slot[call]!, calls.token[call]!, outcome !== ANSWER, nowMs)
    const request = calls.request[call]!
    calls.release(call)
    if (outcome !== ANSWER && tries < this.#swarm.tries) this.#call(request, tries + 1, peer)
  }

  /** An active peer, but no resident, leaves, and another takes its turn. */
  #changeSession(): void {
    this.#planSession()
    const { active, residents, newcomerShare } = this.#swarm
    const place = residents + Math.floor(this.#sessionChance() * (active - residents))
    const leaving = this.#active[place]!
    this.tally.left(leaving)
    this.#arm.leave(leaving)
    const peer = this.#takeIdle()
    this.#isActive[leaving] = 0
    this.#active[place] = peer
    if (this.#sessionChance() >= newcomerShare) return
    this.population.renew(peer)
    this.tally.renewed(peer)
  }

  #takeIdle(): number {
    const { peers } = this.#swarm
    while (this.#isActive[this.#nextPeer] === 1) this.#nextPeer = (this.#nextPeer + 1) % peers
    this.#isActive[this.#nextPeer] = 1
    return this.#nextPeer
  }

  #planRequest(): void {
    const meanMs = 1000 / (this.#swarm.requestsPerS * this.#swarm.active)
    this.#nextRequestMs += exponential(meanMs, this.#requestChance)
  }

  #planSession(): void {
    const { active, residents, sessionMs } = this.#swarm
    const changing = active - residents
    this.#nextSessionMs += changing === 0 ? Infinity : exponential(sessionMs / changing, this.#sessionChance)
  }

  /** How a peer would fail a call made now; `undefined` if it would answer. */
  #failing(peer: number): FaultWay | undefined {
    const nowMs = this.clock.now()
    return this.#isOutage(nowMs) ? 'stall' : this.population.failing(peer, nowMs)
  }

  #isOutage(nowMs: number): boolean {
    const { outage } = this.#swarm
    return outage !== undefined && nowMs >= outage.fromMs && nowMs < outage.untilMs
  }
}

function tookMs(failing: FaultWay | undefined, responseMs: number): number {
  if (failing === 'stall') return CALL_TIMEOUT_MS
  return failing === 'refuse' ? REFUSAL_MS : Math.min(responseMs, CALL_TIMEOUT_MS)
}

/** Time until the next of events that come at any moment alike. */
function exponential(meanMs: number, random: () => number): number {
  return -Math.log(1 - random()) * meanMs
}
