import { expect, test } from 'vitest'
import { PendingConnections } from '../../../src/bitswap/fetch/pending-connections.ts'
import { Deadlines } from '../../../src/core/deadlines.ts'
import { ManualClock } from '../../../src/core/index.ts'
import { settlePromises } from '../../support/drive.ts'

const SOON_MS = 200

function create() {
  const clock = new ManualClock()
  const deadlines = new Deadlines(clock)
  const pending = new PendingConnections(deadlines)
  let over = 0
  const add = () => {
    const connected = Promise.withResolvers<void>()
    pending.add(connected.promise, () => over++)
    return connected
  }
  return { clock, deadlines, add, state: () => [pending.isAny, pending.isAnySoon, over] }
}

test('there are none at first', () => {
  expect(create().state()).toEqual([false, false, 0])
})

test.each<['resolve' | 'reject']>([['resolve'], ['reject']])('they are over with a %s', async end => {
  const { deadlines, add, state } = create()
  const connected = add()
  expect(state()).toEqual([true, true, 0])
  connected[end](undefined as never)
  await settlePromises()
  expect(state()).toEqual([false, false, 1])
  expect(deadlines.size).toBe(0)
})

test('those that take long are not expected soon any more, and are counted once', async () => {
  const { clock, add, state } = create()
  const slow = add()
  clock.advance(SOON_MS - 25)
  expect(state()).toEqual([true, true, 0])
  clock.advance(25)
  expect(state()).toEqual([true, false, 0])
  const quick = add()
  slow.resolve()
  await settlePromises()
  expect(state()).toEqual([true, true, 1])
  quick.resolve()
  await settlePromises()
  expect(state()).toEqual([false, false, 2])
})
