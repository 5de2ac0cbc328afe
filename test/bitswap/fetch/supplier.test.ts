import { describe, expect, test } from 'vitest'
import { Ask, type AskKind } from '../../../src/bitswap/fetch/ask.ts'
import { Outbox } from '../../../src/bitswap/fetch/outbox.ts'
import { Supplier } from '../../../src/bitswap/fetch/supplier.ts'
import { PeerLinks } from '../../../src/bitswap/peer-link.ts'
import { Deadlines } from '../../../src/core/deadlines.ts'
import { ManualClock } from '../../../src/core/index.ts'
import { cidOf } from '../support/messages.ts'
import { peerOf } from '../support/peers.ts'

const FIRST_WINDOW = 4
const MAX_WINDOW = 16
const MAX_REMEMBERED = 4096

const BLOCK_BYTES = 8_192

function createSupplier() {
  const outbox = new Outbox(new Deadlines(new ManualClock()), {
    open: () => Promise.reject(new Error('not needed')),
    onBroken: () => {}
  })
  const supplier = new Supplier(new PeerLinks().claim(peerOf(1)), outbox)
  let asked = 0
  /** Asks it until it is full, and returns how much that was. */
  const fill = (): number => {
    supplier.asks.clear()
    while (!supplier.isFull && supplier.asks.size < 100) {
      const multihash = `${asked++}`
      supplier.asks.set(multihash, new Ask(supplier, cidOf(0), multihash, 'BLOCK', 0, 0, 0))
    }
    return supplier.asks.size
  }
  return { supplier, fill }
}

test('it is known by the key of its peer', () => {
  expect(createSupplier().supplier.key).toBe(peerOf(1).toString())
})

describe('asked at once', () => {
  test('are four blocks at first, sixteen once one has arrived, and after a failure one more with each', () => {
    const { supplier, fill } = createSupplier()
    const windows = [fill()]
    supplier.delivered('a', 10, 0, BLOCK_BYTES)
    windows.push(fill())
    supplier.failed()
    for (let block = 0; block < 10; block++) {
      windows.push(fill())
      supplier.delivered('a', 10, 0, BLOCK_BYTES)
    }
    expect(windows).toEqual([4, 16, 8, 9, 10, 11, 12, 13, 14, 15, 16, 16])
  })

  test('are half as many after each failure, and one at least', () => {
    const { supplier, fill } = createSupplier()
    for (let block = FIRST_WINDOW; block < MAX_WINDOW; block++) supplier.delivered('a', 10, 0, BLOCK_BYTES)
    const windows = Array.from({ length: 6 }, () => {
      const window = fill()
      supplier.failed()
      return window
    })
    expect(windows).toEqual([16, 8, 4, 2, 1, 1])
  })

  test('do not count what is overdue', () => {
    const { supplier, fill } = createSupplier()
    fill()
    expect(supplier.waiting).toBe(4)
    for (const ask of supplier.asks.values()) ask.isOverdue = true
    expect(supplier.waiting).toBe(0)
    expect(supplier.isFull).toBe(false)
  })
})

describe('its first block', () => {
  const ask = (supplier: Supplier, kind: AskKind): Ask => {
    const asked = new Ask(supplier, cidOf(0), 'a', kind, 0, 0, 0)
    supplier.asks.set('a', asked)
    return asked
  }

  test('is due while one is waited for', () => {
    const { supplier } = createSupplier()
    expect(supplier.isFirstBlockDue).toBe(false)
    const asked = ask(supplier, 'BLOCK')
    expect(supplier.isFirstBlockDue).toBe(true)
    asked.isOverdue = true
    expect(supplier.isFirstBlockDue).toBe(false)
  })

  test('is not due by a word', () => {
    const { supplier } = createSupplier()
    ask(supplier, 'HAVE')
    expect(supplier.isFirstBlockDue).toBe(false)
  })

  test('is not due when there was one', () => {
    const { supplier } = createSupplier()
    supplier.delivered('b', 10, 0, BLOCK_BYTES)
    ask(supplier, 'BLOCK')
    expect(supplier.isFirstBlockDue).toBe(false)
  })
})

test.each([
  ['four blocks', 4, 8_192],
  ['64 KiB', 2, 32_768],
  ['one block as large', 1, 65_536],
  ['four blocks, however small', 4, 0]
])('it is tried out until it has delivered %s', (_, blocks, bytes) => {
  const { supplier } = createSupplier()
  for (let block = 0; block < blocks; block++) {
    expect(supplier.isOnTrial).toBe(true)
    supplier.delivered('a', 10, 0, bytes)
  }
  expect(supplier.isOnTrial).toBe(false)
})

describe('what it says', () => {
  test('holds until it says otherwise', () => {
    const { supplier } = createSupplier()
    expect([supplier.hasPromised('a'), supplier.lacks('a')]).toEqual([false, false])
    supplier.told('a', true)
    expect([supplier.hasPromised('a'), supplier.lacks('a')]).toEqual([true, false])
    supplier.told('a', false)
    expect([supplier.hasPromised('a'), supplier.lacks('a')]).toEqual([false, true])
    supplier.told('a', true)
    expect([supplier.hasPromised('a'), supplier.lacks('a')]).toEqual([true, false])
    expect(supplier.hasPromised('b')).toBe(false)
  })

  test('lowers what it is expected to have only when it lacks something', () => {
    const { supplier } = createSupplier()
    supplier.told('a', true)
    expect(supplier.pace.hitShare).toBe(1)
    supplier.told('a', false)
    expect(supplier.pace.hitShare).toBeLessThan(1)
  })

  test('is kept with a block that arrives', () => {
    const { supplier } = createSupplier()
    supplier.told('a', true)
    supplier.delivered('a', 10, 500, BLOCK_BYTES)
    expect(supplier.hasPromised('a')).toBe(false)
    expect(supplier.lastDeliveredMs).toBe(500)
    expect(supplier.pace.expectedMs(0, 99)).toBe(10)
  })

  test.each([true, false])(`is remembered of ${MAX_REMEMBERED} blocks, the latest: has them: %s`, has => {
    const { supplier } = createSupplier()
    const isKnown = (multihash: string): boolean =>
      has ? supplier.hasPromised(multihash) : supplier.lacks(multihash)
    for (let number = 0; number < MAX_REMEMBERED; number++) supplier.told(`${number}`, has)
    expect(isKnown('0')).toBe(true)
    supplier.told('one more', has)
    expect(isKnown('0')).toBe(false)
    expect(isKnown('1')).toBe(true)
    expect(isKnown('one more')).toBe(true)
  })
})
