import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type CallContext,
  ManualClock,
  type Mode,
  type Outcome,
  type Permit,
  Protection,
  type ProtectionOptions,
  RejectedError,
  TableFullError,
  tripAt
} from '../../src/core/index.ts'
import { SHARED_SLOT } from '../../src/core/key-table.ts'
import { offer, settlePromises, targetOf } from '../support/drive.ts'

const HUNG_MS = 300
const MAX_OPEN_MS = 2000 * 1.1
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g']

/** Options with every extension on, and times short enough for all of them to come into play. */
const options: fc.Arbitrary<Partial<ProtectionOptions>> = fc
  .record({
    strategy: fc.constantFrom('LINEAR' as const, 'EXPONENTIAL' as const, 'STEP' as const),
    intervalMs: fc.constantFrom(0, 300),
    bucketPeriodMs: fc.constantFrom(0, 100),
    successThreshold: fc.integer({ min: 1, max: 3 }),
    maxTargets: fc.integer({ min: 1, max: 9 }),
    maxInFlight: fc.integer({ min: 1, max: 20 }),
    maxEjectedShare: fc.constantFrom(0.1, 0.5, 1),
    badMaxAgeMs: fc.constantFrom(0, 5000)
  })
  .map(chosen => ({
    breaker: {
      readyToTrip: tripAt({ consecutiveFailures: 3, minRequests: 5 }),
      intervalMs: chosen.intervalMs,
      bucketPeriodMs: chosen.bucketPeriodMs,
      timeoutMs: 500,
      timeoutGrowth: 2,
      maxTimeoutMs: 2000,
      timeoutJitter: 0.1,
      timeoutDecayMs: 1000,
      maxRequests: 3,
      successThreshold: chosen.successThreshold,
      halfOpenTimeoutMs: 400,
      slowCallMs: 150,
      hungCallMs: HUNG_MS
    },
    health: { checkIntervalMs: 200, cleanupIntervalMs: 1000, maxAgeMs: 3000 },
    recovery: {
      strategy: chosen.strategy,
      initialRecoveryRate: 0.2,
      recoveryIncrement: 0.2,
      recoverySteps: [0.3, 0.7],
      recoveryIntervalMs: 200,
      successThreshold: 3,
      failureThreshold: 2,
      maxRecoveryTimeMs: 3000,
      cooldownPeriodMs: 800
    },
    maxTargets: chosen.maxTargets,
    maxInFlight: chosen.maxInFlight,
    maxEjectedShare: chosen.maxEjectedShare,
    badMaxAgeMs: chosen.badMaxAgeMs
  }))

const key = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...KEYS.slice(0, 2)) },
  { weight: 1, arbitrary: fc.constantFrom(...KEYS) }
)
const outcome = fc.constantFrom<Outcome>('success', 'success', 'failure', 'failure', 'ignored')
const ms = fc.oneof(fc.nat(120), fc.integer({ min: 200, max: 300 }), fc.integer({ min: 400, max: 2500 }))
const modes = fc.constantFrom<Mode>('enforce', 'enforce', 'enforce', 'enforce', 'observe', 'off')
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('call' as const),
      key,
      timeoutMs: fc.option(fc.integer({ min: 1, max: 500 }), { nil: undefined, freq: 4 })
    })
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('settle' as const), call: fc.nat(), outcome }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('burst' as const),
      key,
      outcome: fc.constantFrom<Outcome>('success', 'failure'),
      times: fc.integer({ min: 1, max: 6 })
    })
  },
  { weight: 7, arbitrary: fc.record({ do: fc.constant('advance' as const), ms }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('isolate' as const), key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('mode' as const), mode: modes }) }
)
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

/** A call that was let through, and what a plain model knows of it. */
interface Call {
  readonly permit: Permit
  readonly slot: number
  readonly mode: Mode
  /** The generation it belongs to; `undefined` when it may have passed although the breaker said no. */
  readonly generation: number | undefined
  /** Until when it is in flight unless settled. */
  readonly deadline: number
  isSettled: boolean
}

/** A protection beside a model of the calls in flight, checked against each other after every step. */
class Checked {
  readonly clock = new ManualClock()
  readonly protection: Protection
  readonly calls: Call[] = []
  readonly #options: Partial<ProtectionOptions>

  constructor(chosen: Partial<ProtectionOptions>, random: () => number) {
    this.#options = chosen
    this.protection = new Protection(chosen, { clock: this.clock, random })
  }

  do(action: Step): void {
    if (action.do === 'call') this.#call(action.key, action.timeoutMs)
    if (action.do === 'settle') this.#settle(this.calls.at(-1 - (action.call % 10)), action.outcome)
    if (action.do === 'burst') {
      for (let made = 0; made < action.times; made++) {
        this.#settle(this.#call(action.key, undefined), action.outcome)
      }
    }
    if (action.do === 'advance') this.clock.advance(action.ms)
    if (action.do === 'isolate') this.#isolate(action.key)
    if (action.do === 'release') this.protection.release(action.key)
    if (action.do === 'mode') this.protection.mode = action.mode
    this.check()
  }

  /** All that is shown, in one text. */
  shown(): string {
    return JSON.stringify([this.protection.getOverallStatus(), ...this.protection.peers()])
  }

  check(): void {
    const { protection, clock } = this
    const { maxTargets, maxInFlight, maxEjectedShare } = this.#options
    const overall = protection.getOverallStatus()
    const peers = [...protection.peers()]
    const inFlight = this.calls.filter(call => this.#isInFlight(call)).length
    expect(overall.inFlight).toBe(inFlight)
    expect(overall.inFlight).toBeLessThanOrEqual(maxInFlight!)
    const ofPeers = peers.reduce((sum, peer) => sum + peer.inFlight, 0)
    expect(ofPeers + protection.table.inFlight(SHARED_SLOT)).toBe(inFlight)
    const isSharedRecovering = protection.table.ramp(SHARED_SLOT, clock.now()) !== undefined
    const recovering = peers.filter(({ isRecovering }) => isRecovering).length
    expect(overall.recoveringPeers).toBe(recovering + (isSharedRecovering ? 1 : 0))
    const slots = [SHARED_SLOT, ...peers.map(peer => protection.slot(peer.key, clock.now()))]
    const ejected = slots.filter(slot => protection.table.breakers.state(slot, clock.now()) === 1)
    const demoted = ejected.filter(slot => protection.table.isDemoted(slot))
    expect(overall.ejectedPeers).toBe(ejected.length - demoted.length)
    expect(overall.totalPeers).toBe(peers.length)
    expect(overall.totalPeers).toBeLessThanOrEqual(maxTargets!)
    expect(overall.ejectedPeers).toBeLessThanOrEqual(
      Math.max(1, Math.floor(maxEjectedShare! * overall.totalPeers))
    )
    for (const peer of peers) {
      if (protection.mode !== 'enforce') expect(protection.canAdmit(peer.key)).toBe(true)
      else if (peer.isIsolated) expect(protection.canAdmit(peer.key)).toBe(false)
      expect(peer.inFlight).toBeGreaterThanOrEqual(0)
      expect(peer.recoveryRate).toBeGreaterThan(0)
      if (peer.isRecovering && !peer.isIsolated) expect(peer.circuitState).toBe('CLOSED')
    }
    expect(clock.pendingTimers).toBeLessThanOrEqual(1)
  }

  /** Lets all time limits pass, and everything that was held by hand go. */
  letGo(): void {
    for (const call of this.calls) if (call.mode === 'off') call.permit.settle('ignored')
    this.protection.mode = 'enforce'
    for (const { key: held } of this.protection.peers()) this.protection.release(held)
    this.clock.advance(500)
    expect(this.protection.getOverallStatus().inFlight).toBe(0)
    const before = this.shown()
    for (const { permit } of this.calls) expect(permit.settle('failure')).toBe(false)
    expect(this.shown()).toBe(before)
  }

  #isInFlight({ isSettled, deadline }: Call): boolean {
    return !isSettled && this.clock.now() < deadline
  }

  #call(target: string, timeoutMs: number | undefined): Call | undefined {
    const { protection, clock } = this
    const expected = protection.canAdmit(target)
    expect(protection.canAdmit(target)).toBe(expected)
    const hadRoom = protection.getOverallStatus().inFlight < this.#options.maxInFlight!
    const wasDemoted = protection.getPeerStatus(target)?.isDemoted !== false
    let permit: Permit
    try {
      permit = protection.admit(target, { timeoutMs })
    } catch (error) {
      expect(error).toBeInstanceOf(RejectedError)
      expect(error).toMatchObject({ key: target })
      expect(expected).toBe(false)
      return undefined
    }
    expect(expected).toBe(true)
    const slot = protection.slot(target, clock.now())
    const isRegular = protection.mode === 'enforce' && !wasDemoted
    const hungMs = protection.mode === 'off' ? Infinity : HUNG_MS
    const call = {
      permit,
      slot,
      mode: protection.mode,
      generation: isRegular ? protection.table.breakers.generation(slot) : undefined,
      deadline: clock.now() + (timeoutMs ?? hungMs),
      // With no room left, a call that has to pass is not followed.
      isSettled: !hadRoom
    }
    this.calls.push(call)
    return call
  }

  #settle(call: Call | undefined, how: Outcome): void {
    if (call === undefined) return
    const isNews = this.#isInFlight(call)
    const before = this.shown()
    const isLate =
      call.generation !== undefined &&
      this.protection.table.breakers.generation(call.slot) !== call.generation
    const inFlightBefore = this.protection.table.inFlight(call.slot)
    expect(call.permit.settle(how)).toBe(isNews)
    call.isSettled = true
    if (!isNews) expect(this.shown()).toBe(before)
    if (isNews) expect(this.protection.table.inFlight(call.slot)).toBe(inFlightBefore - 1)
    // A result of an earlier generation takes the call out of flight, and that is all.
    if (isNews && isLate) expect(withoutInFlight(this.shown())).toBe(withoutInFlight(before))
  }

  #isolate(target: string): void {
    try {
      this.protection.isolate(target)
    } catch (error) {
      expect(error).toBeInstanceOf(TableFullError)
    }
  }
}

function withoutInFlight(shown: string): string {
  return shown.replaceAll(/"inFlight":\d+/g, '')
}

/** Chances that repeat, so that a run can be repeated. */
function chances(): () => number {
  let drawn = 0
  return () => ((drawn++ * 7919) % 1000) / 1000
}

test('whatever is done in whatever order, the invariants hold, and no circuit stays stuck', () => {
  fc.assert(
    fc.property(options, fc.array(step, { maxLength: 120, size: 'max' }), (chosen, steps) => {
      const checked = new Checked(chosen, chances())
      for (const action of steps) checked.do(action)

      checked.letGo()
      const { protection, clock } = checked
      for (const target of KEYS) {
        let isRecovered = false
        for (let round = 0; round < 25 && !isRecovered; round++) {
          clock.advance(MAX_OPEN_MS + 1)
          const answers = Array.from({ length: 12 }, () => offer(targetOf(protection, target), 'success'))
          const status = protection.getPeerStatus(target)
          const isClosed = status === undefined || (status.circuitState === 'CLOSED' && !status.isRecovering)
          isRecovered = isClosed && answers.every(Boolean)
        }
        expect(isRecovered, `${target} recovers`).toBe(true)
      }
      checked.protection.close()
      expect(clock.pendingTimers).toBe(0)
    }),
    { numRuns: 70, seed: 20_260_111 }
  )
})

/** One call of a scenario: when, to whom, how long it takes, and how it ends. */
const scenario = fc.array(
  fc.record({
    afterMs: fc.nat(80),
    key: fc.constantFrom('a', 'b'),
    durationMs: fc.oneof(fc.constant(0), fc.nat(100), fc.nat(1000)),
    end: fc.constantFrom('value' as const, 'error' as const, 'throw' as const),
    heedsSignal: fc.boolean()
  }),
  { maxLength: 25, size: 'max' }
)
type Scenario = typeof scenario extends fc.Arbitrary<infer Value> ? Value : never

/** Runs a scenario through `execute`; returns how and when each call ended. */
async function play(
  calls: Scenario,
  clock: ManualClock,
  execute: (key: string, fn: (context: CallContext) => Promise<string>) => Promise<string>
): Promise<string[]> {
  const ends: string[] = []
  for (const [index, call] of calls.entries()) {
    clock.advance(call.afterMs)
    const fn = ({ signal }: CallContext): Promise<string> => {
      if (call.end === 'throw') throw new Error(`thrown ${index}`)
      return new Promise((resolve, reject) => {
        if (call.heedsSignal) signal.addEventListener('abort', () => reject(signal.reason))
        clock.schedule(
          () => (call.end === 'value' ? resolve(`value ${index}`) : reject(new Error(`error ${index}`))),
          call.durationMs
        )
      })
    }
    execute(call.key, fn).then(
      value => {
        ends[index] = `${value} at ${clock.now()}`
      },
      (error: Error) => {
        ends[index] = `${error.message} at ${clock.now()}`
      }
    )
    await settlePromises()
  }
  for (let turn = 0; turn < 110; turn++) {
    clock.advance(10)
    await settlePromises()
  }
  return ends
}

test('in modes observe and off every call ends as without protection', async () => {
  await fc.assert(
    fc.asyncProperty(
      options,
      scenario,
      fc.constantFrom<Mode>('observe', 'off'),
      async (chosen, calls, mode) => {
        const bareClock = new ManualClock()
        const bare = await play(calls, bareClock, async (_key, fn) =>
          fn({ signal: new AbortController().signal })
        )
        const clock = new ManualClock()
        const protection = new Protection({ ...chosen, mode }, { clock, random: chances() })
        const protectedEnds = await play(calls, clock, (target, fn) => protection.executeRequest(target, fn))
        expect(protectedEnds).toEqual(bare)
        expect(bare).toHaveLength(calls.length)
        expect(protection.getOverallStatus().inFlight).toBe(0)
        protection.close()
        expect(clock.pendingTimers).toBe(0)
      }
    ),
    { numRuns: 25, seed: 20_260_112 }
  )
})

test('time limits of the caller’s own hold in every mode', async () => {
  await fc.assert(
    fc.asyncProperty(
      options,
      fc.constantFrom<Mode>('enforce', 'observe', 'off'),
      fc.integer({ min: 1, max: 1000 }),
      async (chosen, mode, timeoutMs) => {
        const clock = new ManualClock()
        const protection = new Protection({ ...chosen, mode }, { clock, random: chances() })
        let end = ''
        protection
          .executeRequest('a', () => new Promise(() => {}), { timeoutMs })
          .catch((error: Error) => {
            end = error.name
          })
        clock.advance(timeoutMs - 0.5)
        await settlePromises()
        expect(end).toBe('')
        clock.advance(0.5)
        await settlePromises()
        expect(end).toBe('CallTimeoutError')
        expect(protection.getOverallStatus().inFlight).toBe(0)
      }
    ),
    { numRuns: 30, seed: 20_260_113 }
  )
})
