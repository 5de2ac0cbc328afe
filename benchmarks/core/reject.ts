import type { Candidate, Prepared, Settings } from '../harness.ts'
import { timedGroup } from '../timed-group.ts'
import { allocatesAtMost, NOTHING_BYTES } from './allocation.ts'
import { DENO, denoBreaker, denoCandidates, denoNote } from './deno.ts'
import { cockatielConsecutive, lean, mollitia, opossum } from './peers.ts'
import { failing, failure, noop, peerId, staysOpen, trip } from './subjects.ts'

const BATCH = 5000
const SYNC_BATCH = 200_000
const KEY = peerId(1)

const RAW = 'await of a shared rejection'
const ADMIT = 'admit of the inner form'
const OURS = 'executeRequest'
const BREAKER = 'CircuitBreaker.execute'
const OTHERS = {
  cockatiel: 'cockatiel, consecutive',
  lean: 'opossum, lean',
  opossum: 'opossum',
  mollitia: 'mollitia, sliding count'
}

/** Less than any other library: the error it makes carries no stack. */
const MAX_BYTES = 1000

/** Awaits calls that all have to be rejected. */
function rejected(call: () => Promise<unknown>): Prepared {
  let passed = 0
  return {
    async run(times) {
      for (let time = 0; time < times; time++) {
        try {
          await call()
          passed++
        } catch {}
      }
    },
    fault: () => (passed === 0 ? undefined : `${passed} calls were not rejected`)
  }
}

async function openAdmit(): Promise<Prepared> {
  const { ManualClock, Protection } = await import('bitswap-protection/core')
  const protection = new Protection({ breaker: staysOpen }, { clock: new ManualClock() })
  await trip(protection, KEY)
  const { table } = protection
  const slot = protection.slot(KEY, 0)
  let passed = 0
  return {
    run(times) {
      for (let time = 0; time < times; time++) if (table.admit(slot, 0) >= 0) passed++
    },
    fault: () => (passed === 0 ? undefined : `${passed} calls were not rejected`)
  }
}

async function openCanAdmit(): Promise<Prepared> {
  const { Protection } = await import('bitswap-protection/core')
  const protection = new Protection({ breaker: staysOpen })
  await trip(protection, KEY)
  let passed = 0
  return {
    run(times) {
      for (let time = 0; time < times; time++) if (protection.canAdmit(KEY)) passed++
    },
    fault: () => (passed === 0 ? undefined : `${passed} calls would be admitted`)
  }
}

async function openRequest(): Promise<Prepared> {
  const { Protection } = await import('bitswap-protection/core')
  const protection = new Protection({ breaker: staysOpen })
  await trip(protection, KEY)
  return rejected(() => protection.executeRequest(KEY, noop))
}

async function openBreaker(): Promise<Prepared> {
  const { CircuitBreaker } = await import('bitswap-protection/core')
  const breaker = new CircuitBreaker(staysOpen)
  while (breaker.state === 'CLOSED') await breaker.execute(failing).catch(() => {})
  return rejected(() => breaker.execute(noop))
}

async function openCockatiel(): Promise<Prepared> {
  const breaker = await cockatielConsecutive(1)
  await breaker.execute(failing).catch(() => {})
  return rejected(() => breaker.execute(noop))
}

async function openOpossum(options: typeof lean | undefined): Promise<Prepared> {
  const breaker = await opossum(noop, options)
  breaker.open()
  return rejected(() => breaker.fire())
}

async function openMollitia(): Promise<Prepared> {
  const circuit = await mollitia(failing)
  // It opens at half of at least ten calls.
  for (let call = 0; call < 10; call++) await circuit.execute().catch(() => {})
  circuit.fn(noop)
  return rejected(() => circuit.execute())
}

async function openDeno(file: string): Promise<Prepared> {
  const breaker = await denoBreaker(file)
  breaker.forceOpen()
  return rejected(() => breaker.execute(noop))
}

const candidates = (settings: Settings): Candidate[] => [
  { name: RAW, batch: BATCH, prepare: () => rejected(() => Promise.reject(failure)) },
  { name: ADMIT, batch: SYNC_BATCH, goalNs: 10, prepare: openAdmit },
  { name: 'canAdmit', batch: SYNC_BATCH, prepare: openCanAdmit },
  { name: OURS, batch: BATCH, goalNs: 500, prepare: openRequest },
  { name: BREAKER, batch: BATCH, prepare: openBreaker },
  { name: OTHERS.cockatiel, batch: BATCH, prepare: openCockatiel },
  ...denoCandidates(settings, BATCH, openDeno),
  { name: OTHERS.lean, batch: BATCH, prepare: () => openOpossum(lean) },
  { name: OTHERS.opossum, batch: BATCH, prepare: () => openOpossum(undefined) },
  { name: OTHERS.mollitia, batch: BATCH, prepare: openMollitia }
]

export const reject = timedGroup({
  name: 'reject',
  title: 'a call refused because the circuit is open',
  raw: RAW,
  ours: OURS,
  ratios: ({ denoFile }) =>
    [...Object.values(OTHERS), ...(denoFile === undefined ? [] : [DENO])].map(to => ({
      of: OURS,
      to,
      goal: 0.5
    })),
  notes: settings => [
    'What ends in a rejected promise is awaited in try/catch, and makes an error of its own each time.',
    denoNote(settings)
  ],
  candidates,
  checks: rows => [
    ...allocatesAtMost(NOTHING_BYTES, rows, [ADMIT, 'canAdmit']),
    ...allocatesAtMost(MAX_BYTES, rows, [OURS, BREAKER])
  ]
})
