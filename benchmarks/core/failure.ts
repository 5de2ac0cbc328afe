import type { CircuitBreakerPolicy } from 'cockatiel'
import type { Candidate, Prepared, Settings } from '../harness.ts'
import { timedGroup } from '../timed-group.ts'
import { allocatesAtMost } from './allocation.ts'
import { denoBreaker, denoCandidates, denoNote } from './deno.ts'
import { cockatielConsecutive, cockatielSampling, lean, mollitia } from './peers.ts'
import { failure as error, failing, peerId } from './subjects.ts'

const BATCH = 5000
/** opossum's takes longer the more calls its window of ten seconds holds; each batch starts with none. */
const OPOSSUM_BATCH = 500
const KEY = peerId(1)

const RAW = 'await fn()'
const OURS = 'executeRequest'
const BREAKER = 'CircuitBreaker.execute'
const CONSECUTIVE = 'cockatiel, consecutive'

/** Twice what a failing call allocates by itself. */
const MAX_BYTES = 1000

/** Awaits calls that all have to fail with the error of the function, not with one of the breaker. */
function failed(call: () => Promise<unknown>, before: () => void = () => {}): Prepared {
  let others = 0
  return {
    before,
    async run(times) {
      for (let time = 0; time < times; time++) {
        try {
          await call()
          others++
        } catch (thrown) {
          if (thrown !== error) others++
        }
      }
    },
    fault: () => (others === 0 ? undefined : `${others} calls ended otherwise`)
  }
}

const neverTrips = { readyToTrip: () => false }

async function ours(): Promise<Prepared> {
  const { Protection } = await import('bitswap-protection/core')
  const protection = new Protection({ breaker: neverTrips })
  return failed(() => protection.executeRequest(KEY, failing))
}

async function ourBreaker(): Promise<Prepared> {
  const { CircuitBreaker } = await import('bitswap-protection/core')
  const breaker = new CircuitBreaker(neverTrips)
  return failed(() => breaker.execute(failing))
}

async function cockatiel(policy: Promise<CircuitBreakerPolicy>): Promise<Prepared> {
  const breaker = await policy
  return failed(() => breaker.execute(failing))
}

async function opossumWith(options: typeof lean | undefined): Promise<Prepared> {
  const { default: CircuitBreaker } = await import('opossum')
  const fresh = (): InstanceType<typeof CircuitBreaker> =>
    new CircuitBreaker(failing, { errorThresholdPercentage: 100, ...options })
  let breaker = fresh()
  return failed(
    () => breaker.fire(),
    () => {
      breaker.shutdown()
      breaker = fresh()
    }
  )
}

async function mollitiaCount(): Promise<Prepared> {
  const circuit = await mollitia(failing, false)
  return failed(() => circuit.execute())
}

async function deno(file: string): Promise<Prepared> {
  const breaker = await denoBreaker(file, false)
  return failed(() => breaker.execute(failing))
}

const candidates = (settings: Settings): Candidate[] => [
  { name: RAW, batch: BATCH, prepare: () => failed(failing) },
  { name: OURS, batch: BATCH, prepare: ours },
  { name: BREAKER, batch: BATCH, prepare: ourBreaker },
  { name: CONSECUTIVE, batch: BATCH, prepare: () => cockatiel(cockatielConsecutive(Infinity)) },
  { name: 'cockatiel, sampling', batch: BATCH, prepare: () => cockatiel(cockatielSampling(Infinity)) },
  ...denoCandidates(settings, BATCH, deno),
  { name: 'opossum, lean', batch: OPOSSUM_BATCH, prepare: () => opossumWith(lean) },
  { name: 'opossum', batch: OPOSSUM_BATCH, prepare: () => opossumWith(undefined) },
  { name: 'mollitia, sliding count', batch: BATCH, prepare: mollitiaCount }
]

export const failure = timedGroup({
  name: 'failure',
  title: 'a call that fails while the circuit is closed and stays so',
  raw: RAW,
  ours: OURS,
  ratios: () => [
    { of: OURS, to: CONSECUTIVE },
    { of: 'opossum', to: OURS }
  ],
  notes: settings => [
    `opossum goes through its whole window on each failure: here 0 to ${OPOSSUM_BATCH} calls, more with more traffic.`,
    denoNote(settings)
  ],
  candidates,
  checks: rows => allocatesAtMost(MAX_BYTES, rows, [OURS, BREAKER])
})
