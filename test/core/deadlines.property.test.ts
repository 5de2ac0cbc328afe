import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Deadline, Deadlines } from '../../src/core/deadlines.ts'
import { ManualClock } from '../../src/core/index.ts'

const TICK_MS = 25

type Step =
  | { readonly do: 'add'; readonly afterMs: number }
  | { readonly do: 'cancel'; readonly which: number }
  | { readonly do: 'advance'; readonly ms: number }

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('add' as const), afterMs: fc.integer({ min: 0, max: 500 }) }),
    fc.record({ do: fc.constant('cancel' as const), which: fc.nat(30) }),
    fc.record({ do: fc.constant('advance' as const), ms: fc.double({ min: 0, max: 300, noNaN: true }) })
  ),
  { maxLength: 60 }
)

/** A deadline as the test sees it. */
interface Expected {
  readonly dueMs: number
  readonly deadline: Deadline
  isCancelled: boolean
  readonly reachedAt: number[]
}

test('on a steady clock each deadline is reached once, not before its time and at most one tick late', () => {
  fc.assert(
    fc.property(steps, fc.nat(10_000), (todo, startMs) => {
      const clock = new ManualClock(startMs)
      const deadlines = new Deadlines(clock)
      const all: Expected[] = []
      for (const step of todo) {
        if (step.do === 'advance') clock.advance(step.ms)
        else if (step.do === 'add') {
          const reachedAt: number[] = []
          const deadline = deadlines.add(step.afterMs, () => reachedAt.push(clock.now()))
          all.push({ dueMs: clock.now() + step.afterMs, deadline, isCancelled: false, reachedAt })
        } else {
          const cancelled = all[step.which]
          if (cancelled === undefined || cancelled.reachedAt.length > 0) continue
          cancelled.deadline.cancel()
          cancelled.isCancelled = true
        }
        expect(clock.pendingTimers).toBeLessThanOrEqual(1)
      }
      clock.advance(1000)
      for (const { dueMs, isCancelled, reachedAt } of all) {
        expect(reachedAt).toHaveLength(isCancelled ? 0 : 1)
        const [at = dueMs] = reachedAt
        // Sums of fractions of a millisecond are not exact.
        expect(at).toBeGreaterThan(dueMs - 1e-6)
        expect(at).toBeLessThan(dueMs + TICK_MS + 1e-6)
      }
      expect(deadlines.size).toBe(0)
      expect(clock.pendingTimers).toBe(0)
    })
  )
})
