import { expect, test } from 'vitest'
import { AskCalls } from '../../../src/bitswap/fetch/ask-calls.ts'
import { Deadlines } from '../../../src/core/deadlines.ts'
import { FAILURE, IGNORED, ManualClock, Protection, SUCCESS } from '../../../src/core/index.ts'
import { cidOf } from '../support/messages.ts'
import { MULTIHASH, supplierOf } from './support/suppliers.ts'

const OPEN_MS = 1_000

function create() {
  const clock = new ManualClock()
  const deadlines = new Deadlines(clock)
  // Keeps time going on.
  deadlines.add(60_000, () => {})
  const protection = new Protection(
    {
      maxEjectedShare: 1,
      recovery: { strategy: 'STEP', recoverySteps: [0.1, 1], recoveryIntervalMs: 60_000 },
      breaker: {
        readyToTrip: ({ totalFailures }) => totalFailures >= 2,
        timeoutMs: OPEN_MS,
        timeoutJitter: 0,
        maxRequests: 1,
        successThreshold: 1
      }
    },
    { clock, random: () => 0 }
  )
  const supplier = supplierOf(1)
  const ended: Array<[result: string, elapsedMs: number]> = []
  const calls = new AskCalls(protection, clock, deadlines, (result, elapsedMs) =>
    ended.push([result, elapsedMs])
  )
  const start = () => calls.start(supplier, cidOf(0), MULTIHASH, 'BLOCK')
  const counts = () => protection.getPeerStatus(supplier.key)?.counts
  return { clock, protection, supplier, calls, start, counts, ended }
}

test('an ask is a call that ends once', () => {
  const { clock, calls, start, counts, protection, ended } = create()
  const ask = start()!
  clock.advance(30)
  expect(protection.getOverallStatus().inFlight).toBe(1)
  expect([calls.settle(ask, SUCCESS), calls.settle(ask, FAILURE)]).toEqual([true, false])
  expect(ended).toEqual([['answered', 30]])
  expect(counts()).toMatchObject({ totalSuccesses: 1, totalFailures: 0 })
  expect(protection.getOverallStatus().inFlight).toBe(0)
})

test.each([
  [SUCCESS, 'answered'],
  [FAILURE, 'failed'],
  [IGNORED, 'ignored']
])('what came of it is told: outcome %d', (outcome, result) => {
  const { calls, start, ended } = create()
  calls.settle(start()!, outcome)
  expect(ended).toEqual([[result, 0]])
})

test('how a peer stands, and whether it may be asked, is what its circuit says', () => {
  const { clock, supplier, calls, start } = create()
  const state = () => [calls.standing(supplier), calls.mayAsk(supplier), start() !== undefined]
  expect(state()).toEqual(['ORDINARY', true, true])
  calls.fail(supplier.link)
  expect(calls.mayAsk(supplier)).toBe(true)
  calls.fail(supplier.link)
  expect(state()).toEqual(['LAST_RESORT', false, false])
  clock.advance(OPEN_MS + 1)
  expect(state()).toEqual(['PROBATION', true, true])
})

test('only an answer shows when a peer answered last', () => {
  const { clock, calls, supplier, start } = create()
  const asks = [start()!, start()!]
  clock.advance(50)
  calls.settle(asks[0]!, SUCCESS)
  expect(supplier.link.lastAnsweredMs).toBe(50)
  clock.advance(25)
  calls.settle(asks[1]!, FAILURE)
  expect(supplier.link.lastAnsweredMs).toBe(50)
})

test('a peer that recovers may be asked, and is asked once it has earned it', () => {
  const { clock, calls, supplier, start } = create()
  for (let time = 0; time < 2; time++) calls.fail(supplier.link)
  clock.advance(OPEN_MS + 1)
  calls.settle(start()!, SUCCESS)
  const asks = Array.from({ length: 20 }, () => {
    expect([calls.standing(supplier), calls.mayAsk(supplier)]).toEqual(['ORDINARY', true])
    return start()
  })
  expect(asks.filter(ask => ask !== undefined)).toHaveLength(2)
})
