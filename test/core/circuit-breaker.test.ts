import { describe, expect, test, vi } from 'vitest'
import {
  CallTimeoutError,
  CircuitBreaker,
  type CircuitBreakerInit,
  CircuitOpenError,
  type Clock,
  type Counts,
  InvalidOptionError,
  IsolatedError,
  ManualClock,
  type Mode,
  TooManyRequestsError
} from '../../src/core/index.ts'
import { fail, ignore, offer, reject, settlePromises, succeed } from '../support/drive.ts'

const YEAR_MS = 365 * 24 * 60 * 60 * 1000
const TIMEOUT_MS = 1000

/** A breaker that opens at two failures in a row, on a clock moved by hand. */
function create(init: CircuitBreakerInit = {}, random: () => number = () => 0) {
  const clock = new ManualClock()
  const changes: string[] = []
  const listenerErrors: unknown[] = []
  const breaker = new CircuitBreaker(
    {
      timeoutMs: TIMEOUT_MS,
      readyToTrip: counts => counts.consecutiveFailures >= 2,
      onStateChange: (_name, from, to) => changes.push(`${from} -> ${to}`),
      ...init
    },
    { clock, random, onListenerError: error => listenerErrors.push(error) }
  )
  return { breaker, clock, changes, listenerErrors, advance: (ms: number) => clock.advance(ms) }
}

function trip(breaker: CircuitBreaker): void {
  fail(breaker, 2)
}

/** Opens a breaker and waits until it may be probed. */
function createHalfOpen(init: CircuitBreakerInit = {}, random?: () => number) {
  const created = create(init, random)
  trip(created.breaker)
  created.advance(TIMEOUT_MS + 1)
  return created
}

describe('CLOSED', () => {
  test('admits calls and counts how they end', () => {
    const { breaker } = create()
    succeed(breaker, 2)
    ignore(breaker)
    fail(breaker)
    breaker.admit()
    expect(breaker.state).toBe('CLOSED')
    expect(breaker.counts).toEqual<Counts>({
      requests: 5,
      totalSuccesses: 2,
      totalFailures: 1,
      totalExclusions: 1,
      consecutiveSuccesses: 0,
      consecutiveFailures: 1
    })
  })

  test('by default opens at the sixth failure in a row', () => {
    const breaker = new CircuitBreaker({}, { clock: new ManualClock() })
    fail(breaker, 5)
    succeed(breaker)
    fail(breaker, 5)
    expect(breaker.state).toBe('CLOSED')
    fail(breaker)
    expect(breaker.state).toBe('OPEN')
  })

  test('asks readyToTrip after failures only, with the counts', () => {
    const seen: Counts[] = []
    const { breaker } = create({ readyToTrip: counts => seen.push({ ...counts }) > 1 })
    succeed(breaker)
    ignore(breaker)
    expect(seen).toEqual([])
    fail(breaker)
    expect(seen).toEqual([
      {
        requests: 3,
        totalSuccesses: 1,
        totalFailures: 1,
        totalExclusions: 1,
        consecutiveSuccesses: 0,
        consecutiveFailures: 1
      }
    ])
    expect(breaker.state).toBe('CLOSED')
    fail(breaker)
    expect(breaker.state).toBe('OPEN')
    expect(seen[1]).toEqual({ ...seen[0], requests: 4, totalFailures: 2, consecutiveFailures: 2 })
  })

  test('a fixed window forgets its counts at its end, and late results with them', () => {
    const { breaker, advance } = create({ intervalMs: 100 })
    const permit = breaker.admit()
    fail(breaker)
    advance(101)
    permit.settle('failure')
    expect(breaker.state).toBe('CLOSED')
    expect(breaker.counts.totalFailures).toBe(0)
  })

  test('handing out counts does not hand out the breaker', () => {
    const { breaker } = create()
    breaker.counts.consecutiveFailures = 10
    fail(breaker)
    expect(breaker.state).toBe('CLOSED')
  })
})

describe('OPEN', () => {
  test('rejects, and says who, why and for how long', () => {
    const { breaker, advance } = create({ name: 'relay' })
    trip(breaker)
    advance(400)
    const error = reject(breaker)
    expect(error).toBeInstanceOf(CircuitOpenError)
    expect(error).toMatchObject({
      name: 'CircuitOpenError',
      key: 'relay',
      reason: 'OPEN',
      state: 'OPEN',
      retryAfterMs: 601
    })
    expect(error.message).toBe('Circuit of relay is open, retry in 601 ms')
  })

  test('a rejection has no stack trace and does not take those of other errors away', () => {
    const { breaker } = create()
    trip(breaker)
    expect(reject(breaker).stack).not.toContain('\n    at ')
    expect(new Error('other').stack).toContain('\n    at ')
  })

  test('a rejected call is counted nowhere', () => {
    const { breaker } = create()
    trip(breaker)
    reject(breaker)
    expect(breaker.counts.requests).toBe(0)
  })

  test('lasts until just after timeoutMs, which is what retryAfterMs said', () => {
    const { breaker, advance } = create()
    trip(breaker)
    const { retryAfterMs } = reject(breaker)
    advance(retryAfterMs - 1)
    expect(breaker.canAdmit()).toBe(false)
    advance(1)
    expect(breaker.canAdmit()).toBe(true)
    expect(breaker.state).toBe('HALF_OPEN')
  })

  test('retryAfterMs is right for broken numbers of ms as well', () => {
    const { breaker, advance } = create({ timeoutMs: 1000.25 })
    trip(breaker)
    advance(0.5)
    const { retryAfterMs } = reject(breaker)
    expect(retryAfterMs).toBe(1000)
    advance(retryAfterMs)
    expect(breaker.canAdmit()).toBe(true)
  })

  test('results of calls admitted before it count for nothing', () => {
    const { breaker, advance } = create()
    const late = [breaker.admit(), breaker.admit()]
    trip(breaker)
    late[0]!.settle('success')
    advance(TIMEOUT_MS + 1)
    breaker.admit()
    late[1]!.settle('failure')
    expect(breaker.state).toBe('HALF_OPEN')
    expect(breaker.counts).toMatchObject({ requests: 1, totalSuccesses: 0, totalFailures: 0 })
  })

  test('a clock that jumps by a year does no harm', () => {
    const { breaker, advance } = create({ intervalMs: 100, timeoutGrowth: 2, hungCallMs: 50 })
    trip(breaker)
    advance(YEAR_MS)
    expect(breaker.state).toBe('HALF_OPEN')
    succeed(breaker)
    expect(breaker.state).toBe('CLOSED')
    advance(YEAR_MS)
    fail(breaker)
    expect(breaker.state).toBe('CLOSED')
    fail(breaker)
    expect(reject(breaker).retryAfterMs).toBe(TIMEOUT_MS + 1)
  })
})

describe('HALF_OPEN', () => {
  test('admits maxRequests probes in all', () => {
    const { breaker } = createHalfOpen({ maxRequests: 2, name: 'relay' })
    breaker.admit()
    breaker.admit()
    const error = reject(breaker)
    expect(error).toBeInstanceOf(TooManyRequestsError)
    expect(error).toMatchObject({
      key: 'relay',
      reason: 'HALF_OPEN_FULL',
      state: 'HALF_OPEN',
      retryAfterMs: 0
    })
  })

  test('gives the place of an ignored probe to another', () => {
    const { breaker } = createHalfOpen()
    ignore(breaker, 5)
    expect(breaker.canAdmit()).toBe(true)
    expect(breaker.state).toBe('HALF_OPEN')
  })

  test('closes when maxRequests probes have succeeded', () => {
    const { breaker } = createHalfOpen({ maxRequests: 3 })
    succeed(breaker, 2)
    expect(breaker.state).toBe('HALF_OPEN')
    succeed(breaker)
    expect(breaker.state).toBe('CLOSED')
  })

  test('with successThreshold closes at so many successes', () => {
    const { breaker } = createHalfOpen({ maxRequests: 5, successThreshold: 2 })
    succeed(breaker)
    expect(breaker.state).toBe('HALF_OPEN')
    succeed(breaker)
    expect(breaker.state).toBe('CLOSED')
  })

  test('opens again when one probe fails', () => {
    const { breaker } = createHalfOpen({ maxRequests: 5, successThreshold: 4 })
    succeed(breaker, 3)
    fail(breaker)
    expect(breaker.state).toBe('OPEN')
    expect(reject(breaker).retryAfterMs).toBe(TIMEOUT_MS + 1)
  })

  test('without a deadline waits for its probes forever', () => {
    const { breaker, advance } = createHalfOpen()
    breaker.admit()
    advance(YEAR_MS)
    expect(breaker.state).toBe('HALF_OPEN')
    expect(breaker.canAdmit()).toBe(false)
  })
})

describe('halfOpenTimeoutMs', () => {
  test('a probe that never ends counts as failed, as of its deadline', () => {
    const { breaker, advance, changes } = createHalfOpen({ halfOpenTimeoutMs: 100 })
    const probe = breaker.admit()
    advance(100)
    expect(breaker.state).toBe('HALF_OPEN')
    advance(400)
    expect(breaker.state).toBe('OPEN')
    // OPEN since the deadline, not since somebody looked.
    expect(reject(breaker).retryAfterMs).toBe(TIMEOUT_MS - 400 + 1)
    probe.settle('success')
    expect(breaker.state).toBe('OPEN')
    expect(changes).toEqual(['CLOSED -> OPEN', 'OPEN -> HALF_OPEN', 'HALF_OPEN -> OPEN'])
  })

  test('asked long after, the circuit has opened and may be probed again', () => {
    const { breaker, advance } = createHalfOpen({ halfOpenTimeoutMs: 100 })
    const probe = breaker.admit()
    advance(YEAR_MS)
    expect(breaker.state).toBe('HALF_OPEN')
    probe.settle('failure')
    expect(breaker.canAdmit()).toBe(true)
  })

  test('each probe that ends gives the others the time anew', () => {
    const { breaker, advance } = createHalfOpen({
      halfOpenTimeoutMs: 100,
      maxRequests: 5,
      successThreshold: 5
    })
    const probes = Array.from({ length: 5 }, () => breaker.admit())
    for (const probe of probes.slice(0, 4)) {
      advance(90)
      probe.settle('success')
    }
    expect(breaker.state).toBe('HALF_OPEN')
    advance(101)
    expect(breaker.state).toBe('OPEN')
  })

  test('runs only while a probe is under way', () => {
    const { breaker, advance } = createHalfOpen({
      halfOpenTimeoutMs: 100,
      maxRequests: 3,
      successThreshold: 3
    })
    advance(YEAR_MS)
    succeed(breaker)
    advance(YEAR_MS)
    ignore(breaker)
    advance(YEAR_MS)
    expect(breaker.state).toBe('HALF_OPEN')
    breaker.admit()
    advance(101)
    expect(breaker.state).toBe('OPEN')
  })
})

describe('growth of OPEN times', () => {
  /** Lets the next probe fail; returns how long the circuit then stays OPEN. */
  function nextOpenMs({ breaker, advance }: ReturnType<typeof create>): number {
    if (breaker.state === 'OPEN') advance(reject(breaker).retryAfterMs)
    fail(breaker)
    return reject(breaker).retryAfterMs - 1
  }

  test('each trip waits longer, up to maxTimeoutMs', () => {
    const created = create({ timeoutGrowth: 2, maxTimeoutMs: 5000 })
    fail(created.breaker)
    expect(Array.from({ length: 5 }, () => nextOpenMs(created))).toEqual([1000, 2000, 4000, 5000, 5000])
  })

  test('many trips overflow nothing', () => {
    const created = create({ timeoutGrowth: 10, maxTimeoutMs: 5000 })
    fail(created.breaker)
    const waits = Array.from({ length: 1100 }, () => nextOpenMs(created))
    expect(waits[0]).toBe(1000)
    expect(new Set(waits.slice(1))).toEqual(new Set([5000]))
  })

  test('maxTimeoutMs below timeoutMs shortens nothing', () => {
    const created = create({ timeoutGrowth: 2, maxTimeoutMs: 10 })
    fail(created.breaker)
    expect([nextOpenMs(created), nextOpenMs(created)]).toEqual([1000, 1000])
  })

  test('one trip is forgotten per timeoutDecayMs spent CLOSED', () => {
    const created = create({ timeoutGrowth: 2, timeoutDecayMs: 500 })
    const { breaker, advance } = created
    fail(breaker)
    // Three trips, then CLOSED for long enough to forget two.
    for (const expected of [1000, 2000, 4000]) expect(nextOpenMs(created)).toBe(expected)
    advance(4001)
    succeed(breaker)
    advance(1499)
    trip(breaker)
    expect(reject(breaker).retryAfterMs - 1).toBe(2000)
  })

  test('time OPEN and HALF_OPEN forgives nothing', () => {
    const created = create({ timeoutGrowth: 2, timeoutDecayMs: 500 })
    fail(created.breaker)
    nextOpenMs(created)
    created.advance(YEAR_MS)
    expect(nextOpenMs(created)).toBe(2000)
  })

  test('jitter adds a random share of up to timeoutJitter', () => {
    let chance = 0
    const created = create({ timeoutJitter: 0.5, timeoutGrowth: 2, maxTimeoutMs: 2000 }, () => chance)
    fail(created.breaker)
    chance = 0.5
    expect(nextOpenMs(created)).toBe(1250)
    chance = 0.999
    expect(nextOpenMs(created)).toBe(2999)
  })

  test('without a source of chance of its own takes the system’s', () => {
    const clock = new ManualClock()
    const breaker = new CircuitBreaker({ timeoutJitter: 0.5, readyToTrip: () => true }, { clock })
    fail(breaker)
    const { retryAfterMs } = reject(breaker)
    expect(retryAfterMs).toBeGreaterThanOrEqual(60_001)
    expect(retryAfterMs).toBeLessThanOrEqual(90_001)
  })

  test('off by default', () => {
    const created = create({}, () => 0.99)
    fail(created.breaker)
    expect([nextOpenMs(created), nextOpenMs(created)]).toEqual([1000, 1000])
  })
})

describe('slowCallMs', () => {
  test('a success that took longer is a failure', () => {
    const { breaker, advance } = create({ slowCallMs: 100 })
    const permits = [breaker.admit(), breaker.admit()]
    advance(100)
    permits[0]!.settle('success')
    advance(0.5)
    permits[1]!.settle('success')
    expect(breaker.counts).toMatchObject({ totalSuccesses: 1, totalFailures: 1 })
  })

  test('an ignored call stays ignored however long it took', () => {
    const { breaker, advance } = create({ slowCallMs: 100 })
    const permit = breaker.admit()
    advance(1000)
    permit.settle('ignored')
    expect(breaker.counts).toMatchObject({ totalFailures: 0, totalExclusions: 1 })
  })

  test('off by default', () => {
    const { breaker, advance } = create()
    const permit = breaker.admit()
    advance(YEAR_MS)
    permit.settle('success')
    expect(breaker.counts.totalSuccesses).toBe(1)
  })
})

describe('hungCallMs', () => {
  test('a call in flight that long counts as a failure there and then', () => {
    const { breaker, advance, changes } = create({ hungCallMs: 100 })
    breaker.admit()
    breaker.admit()
    advance(99)
    expect(changes).toEqual([])
    advance(1)
    // Nobody asked: the clock did it.
    expect(changes).toEqual(['CLOSED -> OPEN'])
  })

  test('its end counts for nothing', () => {
    const { breaker, advance } = create({ hungCallMs: 100 })
    const permit = breaker.admit()
    advance(100)
    expect(breaker.counts).toMatchObject({ requests: 1, totalFailures: 1 })
    expect(permit.settle('success')).toBe(false)
    expect(breaker.counts).toMatchObject({ requests: 1, totalFailures: 1, totalSuccesses: 0 })
  })

  test('a call that ended in time is not counted again', () => {
    const { breaker, advance } = create({ hungCallMs: 100 })
    succeed(breaker)
    advance(1000)
    expect(breaker.counts).toMatchObject({ totalSuccesses: 1, totalFailures: 0 })
  })

  test('off by default: nothing waits', () => {
    const { breaker, clock } = create()
    breaker.admit()
    expect(clock.pendingTimers).toBe(0)
    clock.advance(YEAR_MS)
    expect(breaker.counts.totalFailures).toBe(0)
  })

  test('one timer for all calls, and none when there is nothing to wait for', () => {
    const { breaker, clock } = create({ hungCallMs: 100, readyToTrip: () => false })
    for (let call = 0; call < 10; call++) {
      breaker.admit()
      clock.advance(5)
    }
    expect(clock.pendingTimers).toBe(1)
    clock.advance(100)
    expect(breaker.counts.totalFailures).toBe(10)
    expect(clock.pendingTimers).toBe(0)
  })

  test('is noticed by whoever looks, also when the timer comes late', () => {
    const time = { now: 0 }
    const clock: Clock = { now: () => time.now, wallTime: () => time.now, schedule: () => () => {} }
    const breaker = new CircuitBreaker({ hungCallMs: 100, readyToTrip: () => true }, { clock })
    breaker.admit()
    time.now = 100
    expect(breaker.state).toBe('OPEN')
  })

  test('a probe that hangs opens the circuit again', () => {
    const { breaker, advance } = createHalfOpen({ hungCallMs: 100 })
    breaker.admit()
    advance(100)
    expect(breaker.state).toBe('OPEN')
  })
})

describe('a permit', () => {
  test('settles once', () => {
    const { breaker } = create()
    const permit = breaker.admit()
    expect(permit.settle('success')).toBe(true)
    expect(permit.settle('failure')).toBe(false)
    expect(permit.settle('success')).toBe(false)
    expect(breaker.counts).toMatchObject({ totalSuccesses: 1, totalFailures: 0 })
  })

  test('does not settle the calls of others', () => {
    const { breaker } = create()
    const permit = breaker.admit()
    permit.settle('success')
    const others = Array.from({ length: 300 }, () => breaker.admit())
    expect(permit.settle('failure')).toBe(false)
    expect(others.every(other => other.settle('success'))).toBe(true)
  })
})

describe('execute', () => {
  test('returns what the function returns, promised or not', async () => {
    const { breaker } = create()
    expect(await breaker.execute(() => 1)).toBe(1)
    expect(await breaker.execute(async () => 2)).toBe(2)
    expect(breaker.counts.totalSuccesses).toBe(2)
  })

  test('throws what the function throws, at once or later', async () => {
    const { breaker } = create({ readyToTrip: () => false })
    const error = new Error('refused')
    const throws = (): never => {
      throw error
    }
    await expect(breaker.execute(throws)).rejects.toBe(error)
    await expect(breaker.execute(() => Promise.reject(error))).rejects.toBe(error)
    expect(breaker.counts.totalFailures).toBe(2)
  })

  test('a function that throws nothing has failed all the same', async () => {
    const { breaker } = create()
    await expect(breaker.execute(() => Promise.reject())).rejects.toBeUndefined()
    expect(breaker.counts.totalFailures).toBe(1)
  })

  test('does not call the function of a rejected call', async () => {
    const { breaker } = create()
    const fn = vi.fn()
    trip(breaker)
    await expect(breaker.execute(fn)).rejects.toBeInstanceOf(CircuitOpenError)
    expect(fn).not.toHaveBeenCalled()
  })

  test('calls the function at once, not a turn later', () => {
    const { breaker } = create()
    const fn = vi.fn()
    void breaker.execute(fn)
    expect(fn).toHaveBeenCalledOnce()
  })

  test('isSuccessful decides what is a success, also among results without error', async () => {
    const notFound = new Error('not found')
    const { breaker } = create({ isSuccessful: error => error === notFound })
    await expect(breaker.execute(() => Promise.reject(notFound))).rejects.toBe(notFound)
    expect(breaker.counts).toMatchObject({ totalSuccesses: 1, totalFailures: 0 })
    await breaker.execute(() => 1)
    expect(breaker.counts).toMatchObject({ totalSuccesses: 1, totalFailures: 1 })
  })

  test('isExcluded goes before isSuccessful', async () => {
    const { breaker } = create({ isExcluded: error => error !== undefined, isSuccessful: () => false })
    await expect(breaker.execute(() => Promise.reject(new Error('busy')))).rejects.toThrow('busy')
    expect(breaker.counts).toMatchObject({ totalExclusions: 1, totalFailures: 0 })
  })

  test('a rejection of ours, from another breaker, is no failure of this one', async () => {
    const { breaker } = create()
    const { breaker: inner } = create()
    trip(inner)
    await expect(breaker.execute(() => inner.execute(() => 1))).rejects.toBeInstanceOf(CircuitOpenError)
    expect(breaker.counts).toMatchObject({ totalExclusions: 1, totalFailures: 0 })
  })

  test('a classifier that throws leaves no call in flight', async () => {
    const { breaker } = createHalfOpen({
      isSuccessful: () => {
        throw new Error('bad classifier')
      }
    })
    await expect(breaker.execute(() => 1)).rejects.toThrow('bad classifier')
    expect(breaker.canAdmit()).toBe(true)
  })

  describe('timeoutMs', () => {
    test('ends the call, counts it as failed, and aborts the signal', async () => {
      const { breaker, advance } = create({ name: 'relay' })
      let signal: AbortSignal | undefined
      const call = breaker.execute(
        context => {
          signal = context.signal
          return new Promise(() => {})
        },
        { timeoutMs: 50 }
      )
      advance(49)
      expect(signal?.aborted).toBe(false)
      advance(1)
      const error = await call.catch((error: unknown) => error)
      expect(error).toBeInstanceOf(CallTimeoutError)
      expect(error).toMatchObject({ key: 'relay', timeoutMs: 50 })
      expect(signal?.reason).toBe(error)
      expect(breaker.counts).toMatchObject({ requests: 1, totalFailures: 1 })
    })

    test('goes before hungCallMs, shorter or longer', async () => {
      const { breaker, advance } = create({ hungCallMs: 100 })
      const call = breaker.execute(() => new Promise(() => {}), { timeoutMs: 200 })
      advance(199)
      expect(breaker.counts.totalFailures).toBe(0)
      advance(1)
      expect(breaker.counts.totalFailures).toBe(1)
      await expect(call).rejects.toMatchObject({ timeoutMs: 200 })
    })

    test('a result after it changes nothing', async () => {
      const { breaker, advance } = create()
      let resolve = (_: number): void => {}
      const call = breaker.execute(() => new Promise<number>(done => (resolve = done)), { timeoutMs: 50 })
      advance(50)
      resolve(1)
      await expect(call).rejects.toBeInstanceOf(CallTimeoutError)
      expect(breaker.counts).toMatchObject({ totalFailures: 1, totalSuccesses: 0 })
    })

    test('a failure after it is nobody’s unhandled rejection', async () => {
      const { breaker, advance } = create()
      let reject = (_: Error): void => {}
      const call = breaker.execute(() => new Promise((_, fail) => (reject = fail)), { timeoutMs: 50 })
      advance(50)
      await expect(call).rejects.toBeInstanceOf(CallTimeoutError)
      reject(new Error('late'))
      await settlePromises()
      expect(breaker.counts.totalFailures).toBe(1)
    })

    test.each([0, -1, Number.NaN, Infinity, '50', null])(
      'of %s rejects with InvalidOptionError',
      async bad => {
        const { breaker } = create()
        const fn = vi.fn()
        const call = breaker.execute(fn, { timeoutMs: bad as number })
        await expect(call).rejects.toMatchObject({
          name: 'InvalidOptionError',
          option: 'timeoutMs',
          value: bad
        })
        expect(fn).not.toHaveBeenCalled()
        expect(breaker.counts.requests).toBe(0)
      }
    )
  })

  describe('signal', () => {
    test('aborted ends the call with its reason and counts for nothing', async () => {
      const { breaker } = create()
      const controller = new AbortController()
      let inner: AbortSignal | undefined
      const call = breaker.execute(
        ({ signal }) => {
          inner = signal
          return new Promise(() => {})
        },
        { signal: controller.signal }
      )
      const reason = new Error('no longer wanted')
      controller.abort(reason)
      await expect(call).rejects.toBe(reason)
      expect(inner?.reason).toBe(reason)
      expect(breaker.counts).toMatchObject({ requests: 1, totalExclusions: 1, totalFailures: 0 })
    })

    test('aborted beforehand: the call never starts', async () => {
      const { breaker } = create()
      const fn = vi.fn()
      const reason = new Error('too late')
      await expect(breaker.execute(fn, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
      expect(fn).not.toHaveBeenCalled()
      expect(breaker.counts.requests).toBe(0)
    })

    test('is not listened to after the call', async () => {
      const { breaker } = create()
      const { signal } = new AbortController()
      const add = vi.spyOn(signal, 'addEventListener')
      const remove = vi.spyOn(signal, 'removeEventListener')
      await breaker.execute(() => 1, { signal })
      await expect(breaker.execute(() => Promise.reject(new Error()), { signal })).rejects.toThrow()
      expect(add).toHaveBeenCalledTimes(2)
      expect(remove.mock.calls.map(([type, listener]) => [type, listener])).toEqual(
        add.mock.calls.map(([type, listener]) => [type, listener])
      )
    })

    test('handed to the function is aborted after hungCallMs, and the promise still lasts', async () => {
      const { breaker, advance } = create({ hungCallMs: 100 })
      let signal: AbortSignal | undefined
      let resolve = (_: string): void => {}
      const call = breaker.execute(context => {
        signal = context.signal
        return new Promise<string>(done => (resolve = done))
      })
      advance(100)
      expect(signal?.reason).toBeInstanceOf(CallTimeoutError)
      expect(breaker.counts.totalFailures).toBe(1)
      resolve('late')
      expect(await call).toBe('late')
      expect(breaker.counts).toMatchObject({ totalFailures: 1, totalSuccesses: 0 })
    })

    test('asked for only after the call was out of time is aborted already', async () => {
      const { breaker, advance } = create({ hungCallMs: 100 })
      let resolve = (): void => {}
      const call = breaker.execute(async context => {
        await new Promise<void>(done => (resolve = done))
        return context.signal.aborted
      })
      advance(100)
      resolve()
      expect(await call).toBe(true)
    })
  })

  test('options that set neither signal nor timeoutMs are as none: the promise lasts', async () => {
    const { breaker, advance } = create({ hungCallMs: 100 })
    let resolve = (_: string): void => {}
    const end = breaker
      .execute(() => new Promise<string>(done => (resolve = done)), {})
      .catch((error: unknown) => error)
    advance(100)
    await settlePromises()
    resolve('late')
    expect(await end).toBe('late')
  })
})

describe('isolate and release', () => {
  test('an isolated breaker rejects and shows as OPEN', () => {
    const { breaker } = create({ name: 'relay' })
    breaker.isolate()
    expect(breaker.state).toBe('OPEN')
    expect(breaker.canAdmit()).toBe(false)
    const error = reject(breaker)
    expect(error).toBeInstanceOf(IsolatedError)
    expect(error).toMatchObject({ key: 'relay', reason: 'ISOLATED', state: 'OPEN', retryAfterMs: 0 })
  })

  test('time does not end it', () => {
    const { breaker, advance } = create()
    breaker.isolate()
    advance(YEAR_MS)
    expect(breaker.canAdmit()).toBe(false)
  })

  test('released, a breaker that was CLOSED is CLOSED, with its counts', () => {
    const { breaker } = create()
    fail(breaker)
    breaker.isolate()
    breaker.release()
    expect(breaker.state).toBe('CLOSED')
    expect(breaker.counts.consecutiveFailures).toBe(1)
  })

  test('released, a breaker that was OPEN is what time has made of it', () => {
    const { breaker, advance } = create()
    trip(breaker)
    breaker.isolate()
    advance(TIMEOUT_MS)
    breaker.release()
    expect(reject(breaker).reason).toBe('OPEN')
    breaker.isolate()
    advance(1)
    breaker.release()
    expect(breaker.state).toBe('HALF_OPEN')
  })

  test('calls in flight settle while it lasts', () => {
    const { breaker } = create()
    const permits = [breaker.admit(), breaker.admit()]
    breaker.isolate()
    for (const permit of permits) permit.settle('failure')
    breaker.release()
    expect(reject(breaker).reason).toBe('OPEN')
  })

  test('twice is once', () => {
    const { breaker, changes } = create()
    breaker.isolate()
    breaker.isolate()
    breaker.release()
    breaker.release()
    expect(changes).toEqual(['CLOSED -> OPEN', 'OPEN -> CLOSED'])
  })
})

describe('onStateChange', () => {
  test('is told the name and each change, after it', () => {
    const seen: unknown[] = []
    const { breaker, advance } = create({
      name: 'relay',
      onStateChange: (...change) => seen.push([...change, breaker.state])
    })
    trip(breaker)
    advance(TIMEOUT_MS + 1)
    succeed(breaker)
    expect(seen).toEqual([
      ['relay', 'CLOSED', 'OPEN', 'OPEN'],
      ['relay', 'OPEN', 'HALF_OPEN', 'HALF_OPEN'],
      ['relay', 'HALF_OPEN', 'CLOSED', 'CLOSED']
    ])
  })

  test('is told of a change that a look at the state brings about', () => {
    const { breaker, advance, changes } = create()
    trip(breaker)
    advance(TIMEOUT_MS + 1)
    expect(breaker.state).toBe('HALF_OPEN')
    expect(changes).toEqual(['CLOSED -> OPEN', 'OPEN -> HALF_OPEN'])
  })

  test('is never told inside another change, and in order', () => {
    const told: string[] = []
    let isTold = false
    let wasNested = false
    const { breaker } = create({
      onStateChange: (_name, from, to) => {
        wasNested ||= isTold
        isTold = true
        if (told.push(`${from} -> ${to}`) === 1) breaker.release()
        isTold = false
      }
    })
    breaker.isolate()
    expect(told).toEqual(['CLOSED -> OPEN', 'OPEN -> CLOSED'])
    expect(wasNested).toBe(false)
  })

  test('that throws changes nothing', () => {
    const error = new Error('bad listener')
    const { breaker, advance, listenerErrors } = create({
      onStateChange: () => {
        throw error
      }
    })
    trip(breaker)
    expect(breaker.state).toBe('OPEN')
    advance(TIMEOUT_MS + 1)
    succeed(breaker)
    expect(breaker.state).toBe('CLOSED')
    expect(listenerErrors).toEqual([error, error, error])
  })

  test('each change begins where the last one ended, through isolation too', () => {
    const { breaker, advance, changes } = create()
    trip(breaker)
    breaker.isolate()
    advance(TIMEOUT_MS + 1)
    breaker.release()
    expect(breaker.state).toBe('HALF_OPEN')
    breaker.isolate()
    breaker.release()
    succeed(breaker)
    expect(changes).toEqual([
      'CLOSED -> OPEN',
      'OPEN -> HALF_OPEN',
      'HALF_OPEN -> OPEN',
      'OPEN -> HALF_OPEN',
      'HALF_OPEN -> CLOSED'
    ])
  })

  test('isolating a circuit whose OPEN time is over changes nothing that is seen', () => {
    const { breaker, advance, changes } = create()
    trip(breaker)
    advance(TIMEOUT_MS + 1)
    breaker.isolate()
    breaker.canAdmit()
    breaker.release()
    expect(breaker.state).toBe('HALF_OPEN')
    let shown = 'CLOSED'
    for (const change of changes) {
      const [from, to] = change.split(' -> ')
      expect(from).toBe(shown)
      shown = to!
    }
    expect(shown).toBe('HALF_OPEN')
  })
})

describe('mode', () => {
  test('observe admits every call and goes through the same states', () => {
    const { breaker, advance } = create({ mode: 'observe' })
    trip(breaker)
    expect(breaker.state).toBe('OPEN')
    expect(breaker.canAdmit()).toBe(true)
    // Passed although it should not have: no business of the breaker.
    succeed(breaker, 5)
    fail(breaker, 5)
    expect(breaker.state).toBe('OPEN')
    advance(TIMEOUT_MS + 1)
    expect(breaker.state).toBe('HALF_OPEN')
    succeed(breaker)
    expect(breaker.state).toBe('CLOSED')
  })

  test('observe does not abort a call that hangs, though it counts it', async () => {
    const { breaker, advance } = create({ mode: 'observe', hungCallMs: 100 })
    let signal: AbortSignal | undefined
    let resolve = (_: number): void => {}
    const call = breaker.execute(context => {
      signal = context.signal
      return new Promise<number>(done => (resolve = done))
    })
    advance(1000)
    expect(breaker.counts.totalFailures).toBe(1)
    expect(signal?.aborted).toBe(false)
    resolve(1)
    expect(await call).toBe(1)
  })

  test('off admits everything and counts nothing', () => {
    const { breaker } = create({ mode: 'off' })
    fail(breaker, 10)
    expect(breaker.state).toBe('CLOSED')
    expect(breaker.counts.requests).toBe(0)
    breaker.isolate()
    expect(breaker.canAdmit()).toBe(true)
    succeed(breaker)
  })

  test.each(['observe', 'off'] satisfies Mode[])('%s keeps the time limits the caller set', async mode => {
    const { breaker, advance } = create({ mode })
    const controller = new AbortController()
    const late = breaker.execute(() => new Promise(() => {}), { timeoutMs: 50 })
    const aborted = breaker.execute(() => new Promise(() => {}), { signal: controller.signal })
    advance(50)
    controller.abort(new Error('no longer wanted'))
    await expect(late).rejects.toBeInstanceOf(CallTimeoutError)
    await expect(aborted).rejects.toThrow('no longer wanted')
  })

  test('can be set at any time', () => {
    const { breaker } = create()
    trip(breaker)
    expect(offer(breaker, 'success')).toBe(false)
    breaker.mode = 'off'
    expect(breaker.mode).toBe('off')
    expect(offer(breaker, 'success')).toBe(true)
    breaker.mode = 'enforce'
    expect(offer(breaker, 'success')).toBe(false)
  })

  test('an unknown one is refused and changes nothing', () => {
    const { breaker } = create()
    expect(() => {
      breaker.mode = 'on' as Mode
    }).toThrow(InvalidOptionError)
    expect(breaker.mode).toBe('enforce')
  })
})

test('canAdmit is what the next admit does, and takes nothing', () => {
  const { breaker, advance } = create({ maxRequests: 2 })
  const admitted: boolean[] = []
  const look = (): void => {
    const answers = [breaker.canAdmit(), breaker.canAdmit(), breaker.canAdmit(), offer(breaker, 'ignored')]
    expect(new Set(answers).size).toBe(1)
    admitted.push(answers[0]!)
  }
  look()
  trip(breaker)
  look()
  advance(TIMEOUT_MS + 1)
  breaker.admit()
  look()
  breaker.admit()
  look()
  expect(admitted).toEqual([true, false, true, false])
})
