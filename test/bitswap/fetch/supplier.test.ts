import { describe, expect, test } from 'vitest'
import { Ask, type AskKind } from '../../../src/bitswap/fetch/ask.ts'
import { Outbox } from '../../../src/bitswap/fetch/outbox.ts'
import { Supplier } from '../../../src/bitswap/fetch/supplier.ts'
import { PeerLinks } from '../../../src/bitswap/peer-link.ts'
import { Deadlines } from '../../../src/core/deadlines.ts'
import { ManualClock } from '../../../src/core/index.ts'
import { cidOf } from '../support/messages.ts'
import { peerOf } from '../support/peers.ts'
import { deliver } from './support/suppliers.ts'

const MAX_WINDOW = 64
const MAX_REMEMBERED = 4096
const PART_BYTES = 16_384

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
  test('are four blocks at first, ten once one has arrived, one more with each after that, and 64 at most', () => {
    const { supplier, fill } = createSupplier()
    const windows = [fill()]
    for (let block = 0; block < MAX_WINDOW; block++) {
      deliver(supplier)
      windows.push(fill())
    }
    expect(windows.slice(0, 5)).toEqual([4, 10, 11, 12, 13])
    expect(windows.slice(53)).toEqual([62, 63, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64])
  })

  test('are half as many after each failure, and one at least', () => {
    const { supplier, fill } = createSupplier()
    for (let block = 0; block < MAX_WINDOW; block++) deliver(supplier)
    const windows = Array.from({ length: 8 }, () => {
      const window = fill()
      supplier.failed()
      return window
    })
    expect(windows).toEqual([64, 32, 16, 8, 4, 2, 1, 1])
  })

  test('are one more with each block after a failure, too', () => {
    const { supplier, fill } = createSupplier()
    deliver(supplier)
    supplier.failed()
    const windows = [fill()]
    deliver(supplier)
    expect([...windows, fill()]).toEqual([5, 6])
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
    deliver(supplier, { multihash: 'b' })
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
    deliver(supplier, { bytes })
  }
  expect(supplier.isOnTrial).toBe(false)
})

describe('gives reason to wait for it', () => {
  test('with each part of a block', () => {
    const { supplier } = createSupplier()
    expect(supplier.promisingAtMs).toBe(-Infinity)
    supplier.heard(PART_BYTES, 100)
    expect(supplier.promisingAtMs).toBe(100)
    supplier.heard(PART_BYTES / 2, 200)
    expect(supplier.promisingAtMs).toBe(100)
    supplier.heard(PART_BYTES / 2, 300)
    expect(supplier.promisingAtMs).toBe(300)
    expect(supplier.receivedBytes).toBe(2 * PART_BYTES)
  })

  test('with a block, be it as small as can be', () => {
    const { supplier } = createSupplier()
    deliver(supplier, { atMs: 400, bytes: 1 })
    expect(supplier.promisingAtMs).toBe(400)
  })
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
    deliver(supplier, { multihash: 'a', atMs: 500 })
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
