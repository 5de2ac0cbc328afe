import type { Clock, Protection } from 'bitswap-protection/core'
import type { CircuitBreakerPolicy } from 'cockatiel'
import type { Candidate, Prepared, Settings } from '../harness.ts'
import { timedGroup } from '../timed-group.ts'
import { allocatesAtMost } from './allocation.ts'
import { denoBreaker, denoCandidates, denoNote } from './deno.ts'
import { cockatielConsecutive, cockatielSampling, lean, mollitia, opossum } from './peers.ts'
import { LONG_MS, noop, peerId } from './subjects.ts'

const BATCH = 20_000
const KEY = peerId(1)

const RAW = 'await fn()'
const WRAPPER = 'await async wrapper(fn)'
const OURS = 'executeRequest'
const READING_THE_CLOCK = 'executeRequest, clock read twice per call'
const BREAKER = 'CircuitBreaker.execute'
const CONSECUTIVE = 'cockatiel, consecutive'

/** An async function alone takes about as much, and it allocates less than any other library. */
const MAX_BYTES = 750

function raw(): Prepared {
  return {
    async run(times) {
      for (let time = 0; time < times; time++) await noop()
    }
  }
}

/** The least that any wrapper written as an async function takes. */
function rawWrapper(): Prepared {
  async function wrapped(fn: () => Promise<void>): Promise<void> {
    try {
      return await fn()
    } finally {
      calls++
    }
  }
  let calls = 0
  return {
    async run(times) {
      for (let time = 0; time < times; time++) await wrapped(noop)
    },
    fault: () => (calls > 0 ? undefined : 'nothing was called')
  }
}

async function ours(clock?: Clock): Promise<Prepared> {
  const { Protection, systemClock } = await import('bitswap-protection/core')
  const protection = new Protection({}, { clock: clock ?? systemClock })
  return {
    async run(times) {
      for (let time = 0; time < times; time++) await protection.executeRequest(KEY, noop)
    },
    fault: () => faultOf(protection)
  }
}

/** `systemClock` reads the time once per turn of the event loop; this one, each time it is asked. */
async function oursReadingTheClock(): Promise<Prepared> {
  const { systemClock } = await import('bitswap-protection/core')
  return ours({ ...systemClock, now: () => performance.now() })
}

async function oursOfManyKeys(): Promise<Prepared> {
  const { Protection } = await import('bitswap-protection/core')
  const targets = 1 << 16
  const protection = new Protection({ maxTargets: targets })
  const keys = Array.from({ length: targets }, (_, target) => peerId(target))
  // So that none is new any more.
  for (const key of keys) await protection.executeRequest(key, noop)
  // Odd, so that it comes to every key, and no two neighbours are called in turn.
  const stride = 40_503
  let next = 0
  return {
    async run(times) {
      for (let time = 0; time < times; time++) {
        next = (next + stride) & (targets - 1)
        await protection.executeRequest(keys[next]!, noop)
      }
    },
    fault: () => faultOf(protection)
  }
}

async function oursWithSignal(): Promise<Prepared> {
  const { Protection } = await import('bitswap-protection/core')
  const protection = new Protection()
  const options = { signal: new AbortController().signal }
  return {
    async run(times) {
      for (let time = 0; time < times; time++) await protection.executeRequest(KEY, noop, options)
    },
    fault: () => faultOf(protection)
  }
}

async function oursWithTimeout(): Promise<Prepared> {
  const { Protection } = await import('bitswap-protection/core')
  const protection = new Protection()
  const options = { timeoutMs: LONG_MS }
  return {
    async run(times) {
      for (let time = 0; time < times; time++) await protection.executeRequest(KEY, noop, options)
    },
    fault: () => faultOf(protection)
  }
}

function faultOf(protection: Protection): string | undefined {
  const { circuitStates, inFlight, totalPeers } = protection.getOverallStatus()
  if (inFlight > 0) return `${inFlight} calls did not end`
  return circuitStates.CLOSED === totalPeers ? undefined : 'not all circuits are closed'
}

async function ourBreaker(): Promise<Prepared> {
  const { CircuitBreaker } = await import('bitswap-protection/core')
  const breaker = new CircuitBreaker()
  return {
    async run(times) {
      for (let time = 0; time < times; time++) await breaker.execute(noop)
    },
    fault: () => (breaker.state === 'CLOSED' ? undefined : `it is ${breaker.state}`)
  }
}

async function cockatiel(policy: Promise<CircuitBreakerPolicy>): Promise<Prepared> {
  const { CircuitState } = await import('cockatiel')
  const breaker = await policy
  return {
    async run(times) {
      for (let time = 0; time < times; time++) await breaker.execute(noop)
    },
    fault: () => (breaker.state === CircuitState.Closed ? undefined : 'it is not closed')
  }
}

async function opossumWith(options: typeof lean | undefined): Promise<Prepared> {
  const breaker = await opossum(noop, options)
  return {
    async run(times) {
      for (let time = 0; time < times; time++) await breaker.fire()
    },
    fault: () => (breaker.opened ? 'it is open' : undefined)
  }
}

async function mollitiaCount(): Promise<Prepared> {
  const circuit = await mollitia(noop)
  return {
    async run(times) {
      for (let time = 0; time < times; time++) await circuit.execute()
    }
  }
}

async function deno(file: string): Promise<Prepared> {
  const breaker = await denoBreaker(file)
  return {
    async run(times) {
      for (let time = 0; time < times; time++) await breaker.execute(noop)
    },
    fault: () => (breaker.state === 'closed' ? undefined : `it is ${breaker.state}`)
  }
}

const candidates = (settings: Settings): Candidate[] => [
  { name: RAW, batch: BATCH, prepare: raw },
  { name: WRAPPER, batch: BATCH, prepare: rawWrapper },
  { name: OURS, batch: BATCH, goalNs: 75, prepare: () => ours() },
  { name: READING_THE_CLOCK, batch: BATCH, goalNs: 115, prepare: oursReadingTheClock },
  { name: 'executeRequest, 65 k keys in turn', batch: BATCH, prepare: oursOfManyKeys },
  { name: 'executeRequest with signal', batch: BATCH / 10, prepare: oursWithSignal },
  { name: 'executeRequest with timeoutMs', batch: BATCH / 10, prepare: oursWithTimeout },
  { name: BREAKER, batch: BATCH, prepare: ourBreaker },
  { name: CONSECUTIVE, batch: BATCH, prepare: () => cockatiel(cockatielConsecutive()) },
  { name: 'cockatiel, sampling', batch: BATCH, prepare: () => cockatiel(cockatielSampling()) },
  ...denoCandidates(settings, BATCH, deno),
  { name: 'opossum, lean', batch: BATCH / 4, prepare: () => opossumWith(lean) },
  { name: 'opossum', batch: BATCH / 4, prepare: () => opossumWith(undefined) },
  { name: 'mollitia, sliding count', batch: BATCH / 4, prepare: mollitiaCount }
]

export const execute = timedGroup({
  name: 'execute',
  title: 'a successful async no-op, protected',
  raw: RAW,
  ours: OURS,
  ratios: () => [
    { of: OURS, to: CONSECUTIVE, goal: 1 },
    { of: OURS, to: WRAPPER },
    { of: BREAKER, to: CONSECUTIVE },
    { of: 'opossum', to: OURS }
  ],
  notes: settings => [
    'The calls of a batch follow each other in one turn of the event loop, in which systemClock reads the time once.',
    'opossum, lean: timeout false, rollingPercentilesEnabled false. Of the others only opossum times each call.',
    denoNote(settings)
  ],
  candidates,
  checks: rows => allocatesAtMost(MAX_BYTES, rows, [OURS, READING_THE_CLOCK, BREAKER])
})
