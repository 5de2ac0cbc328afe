import { describe, expect, test } from 'vitest'
import { InvalidOptionError } from '../../src/core/index.ts'
import { KeyTable, MAX_TARGETS, type RecordKeeper, SHARED_SLOT } from '../../src/core/key-table.ts'

interface Records {
  slots: number
  readonly lastUsed: number[]
  readonly resets: number[]
}

/** Keeps a last use of each record in a plain array; all may be forgotten. */
function keeper(records: Records): RecordKeeper {
  return {
    resize: slots => {
      expect(slots).toBeGreaterThan(records.slots)
      records.slots = slots
    },
    reset: (slot, nowMs) => {
      expect(slot).toBeLessThan(records.slots)
      records.lastUsed[slot] = nowMs
      records.resets.push(slot)
    },
    isEvictable: () => true,
    lastUsed: slot => records.lastUsed[slot]!
  }
}

/** A table whose records may be marked to be kept. */
function create(maxTargets: number) {
  const records: Records = { slots: 0, lastUsed: [], resets: [] }
  const kept = new Set<number>()
  const table = new KeyTable(maxTargets, { ...keeper(records), isEvictable: slot => !kept.has(slot) })
  return { table, records, kept }
}

function keys(table: KeyTable): string[] {
  return Array.from(table.slots(), slot => table.key(slot)!).sort()
}

test('a key has one slot, and it its key', () => {
  const { table } = create(10)
  const slot = table.claim('a', 0)
  expect(table.claim('a', 1)).toBe(slot)
  expect(table.find('a')).toBe(slot)
  expect(table.key(slot)).toBe('a')
  expect(table.claim('b', 0)).not.toBe(slot)
  expect(table.size).toBe(2)
})

test('asking for a key does not make one', () => {
  const { table } = create(10)
  expect(table.find('a')).toBe(-1)
  expect(table.size).toBe(0)
})

test('the shared slot is nobody’s own', () => {
  const { table } = create(3)
  const slots = ['a', 'b', 'c'].map(key => table.claim(key, 0))
  expect(slots).not.toContain(SHARED_SLOT)
  expect(table.key(SHARED_SLOT)).toBeUndefined()
})

test('slots that have a key can be gone through, one after the other', () => {
  const { table } = create(4)
  const slots = ['a', 'b', 'c', 'd'].map(key => table.claim(key, 0))
  table.release(slots[1]!, 0)
  const seen: number[] = []
  for (let slot = table.next(SHARED_SLOT); slot !== SHARED_SLOT; slot = table.next(slot)) seen.push(slot)
  expect(seen).toEqual([slots[0], slots[2], slots[3]])
  expect([...table.slots()]).toEqual(seen)
})

test('a new key’s record starts afresh, and only then', () => {
  const { table, records } = create(10)
  const slot = table.claim('a', 5)
  table.claim('a', 6)
  table.find('a')
  expect(records.resets).toEqual([slot])
  expect(records.lastUsed[slot]).toBe(5)
})

describe('releasing', () => {
  test('forgets a key, and gives its slot to another', () => {
    const { table } = create(2)
    const slot = table.claim('a', 0)
    table.claim('b', 0)
    table.release(slot, 5)
    expect(table.find('a')).toBe(-1)
    expect(table.key(slot)).toBeUndefined()
    expect(keys(table)).toEqual(['b'])
    expect(table.claim('c', 0)).toBe(slot)
    expect(keys(table)).toEqual(['b', 'c'])
  })

  test('starts the record afresh at once', () => {
    const { table, records } = create(2)
    const slot = table.claim('a', 0)
    table.release(slot, 7)
    expect(records.lastUsed[slot]).toBe(7)
  })

  test('of a slot without a key does nothing', () => {
    const { table } = create(2)
    const slot = table.claim('a', 0)
    table.release(slot, 0)
    table.release(slot, 0)
    table.release(SHARED_SLOT, 0)
    table.release(2, 0)
    const slots = [table.claim('b', 0), table.claim('c', 0)]
    expect(new Set(slots).size).toBe(2)
    expect(slots).not.toContain(SHARED_SLOT)
    expect(slots.map(claimed => table.key(claimed))).toEqual(['b', 'c'])
    expect(table.size).toBe(2)
  })
})

describe('a full table', () => {
  test('forgets the longest idle', () => {
    const { table, records } = create(3)
    for (const [age, key] of ['a', 'b', 'c'].entries()) table.claim(key, age)
    records.lastUsed[table.find('a')] = 10
    table.claim('d', 11)
    expect(keys(table)).toEqual(['a', 'c', 'd'])
    expect(table.find('b')).toBe(-1)
  })

  test('forgets none that must be kept', () => {
    const { table, kept } = create(3)
    for (const [age, key] of ['a', 'b', 'c'].entries()) table.claim(key, age)
    kept.add(table.find('a'))
    for (let flood = 0; flood < 100; flood++) table.claim(`flood ${flood}`, flood + 10)
    expect(table.find('a')).toBeGreaterThan(0)
    expect(table.size).toBe(3)
  })

  test('when none may be forgotten, keeps the essence of the longest idle of which that is enough', () => {
    const records: Records = { slots: 0, lastUsed: [], resets: [] }
    const reduced: Array<[string, number]> = []
    const table: KeyTable = new KeyTable(
      3,
      { ...keeper(records), isEvictable: () => false },
      {
        isReducible: slot => table.key(slot) !== 'b',
        reduce: (key, nowMs) => reduced.push([key, nowMs])
      }
    )
    for (const [nowMs, key] of ['b', 'a', 'c', 'd', 'e'].entries()) table.claim(key, nowMs)
    expect(keys(table)).toEqual(['b', 'd', 'e'])
    expect(reduced).toEqual([
      ['a', 3],
      ['c', 4]
    ])
    expect(table.find('a')).toBe(-1)
  })

  test('that may forget one keeps the essence of none', () => {
    const records: Records = { slots: 0, lastUsed: [], resets: [] }
    const table = new KeyTable(2, keeper(records), {
      isReducible: () => true,
      reduce: () => expect.unreachable()
    })
    for (const [nowMs, key] of ['a', 'b', 'c', 'd'].entries()) table.claim(key, nowMs)
    expect(keys(table)).toEqual(['c', 'd'])
  })

  test('keeps the essence of none that may be forgotten, though only a sample was looked at before', () => {
    const records: Records = { slots: 0, lastUsed: [], resets: [] }
    const sample = 64
    const table = new KeyTable(
      2 * sample,
      { ...keeper(records), isEvictable: slot => slot > sample },
      { isReducible: () => true, reduce: () => expect.unreachable() }
    )
    for (let key = 0; key < 2 * sample; key++) table.claim(`${key}`, key)
    table.claim('new', 1_000)
    expect(table.size).toBe(2 * sample)
    expect(table.find('new')).toBeGreaterThan(sample)
  })

  test('when all must be kept, gives newcomers the shared slot, and remembers none of them', () => {
    const { table, kept, records } = create(3)
    for (const key of ['a', 'b', 'c']) kept.add(table.claim(key, 0))
    const resets = records.resets.length
    expect(table.claim('d', 1)).toBe(SHARED_SLOT)
    expect(table.claim('e', 1)).toBe(SHARED_SLOT)
    expect(table.find('d')).toBe(-1)
    expect(keys(table)).toEqual(['a', 'b', 'c'])
    expect(records.resets).toHaveLength(resets)
  })

  test('gives newcomers slots again as soon as one may go', () => {
    const { table, kept } = create(3)
    for (const key of ['a', 'b', 'c']) kept.add(table.claim(key, 0))
    table.claim('d', 1)
    kept.delete(table.find('b'))
    expect(table.claim('e', 2)).not.toBe(SHARED_SLOT)
    expect(keys(table)).toEqual(['a', 'c', 'e'])
  })

  test('looks at no more than 64 records for each newcomer', () => {
    let looked = 0
    const table = new KeyTable(1000, {
      resize: () => {},
      reset: () => {},
      lastUsed: () => 0,
      isEvictable: () => {
        looked++
        return false
      }
    })
    for (let key = 0; key < 1000; key++) table.claim(`${key}`, 0)
    expect(looked).toBe(0)
    table.claim('one more', 0)
    expect(looked).toBe(64)
  })

  test('looks further for one of which the essence is enough, as far as 1024 records, and takes the first', () => {
    const records: Records = { slots: 0, lastUsed: [], resets: [] }
    let reducibleFrom = 900
    let looked = 0
    const isReducible = (slot: number): boolean => {
      looked++
      return slot >= reducibleFrom
    }
    const table: KeyTable = new KeyTable(
      2000,
      { ...keeper(records), isEvictable: () => false },
      { isReducible, reduce: () => {} }
    )
    for (let key = 1; key <= 2000; key++) table.claim(`${key}`, 0)
    // The search for one that may be forgotten has looked at the first 64.
    expect(table.claim('a', 0)).toBe(900)
    expect(looked).toBe(900 - 64)
    looked = 0
    reducibleFrom = Infinity
    expect(table.claim('b', 0)).toBe(SHARED_SLOT)
    expect(looked).toBe(1024)
  })

  test('looks at all of them in turn, so the one that may go is found', () => {
    const { table, kept } = create(1000)
    for (let key = 0; key < 1000; key++) kept.add(table.claim(`${key}`, 0))
    const evictable = table.find('777')
    kept.delete(evictable)
    const slots = Array.from({ length: 16 }, (_, flood) => table.claim(`flood ${flood}`, 1))
    expect(slots.filter(slot => slot === evictable)).toHaveLength(1)
    expect(table.find('777')).toBe(-1)
  })

  test('of one record works', () => {
    const { table, kept } = create(1)
    const slot = table.claim('a', 0)
    expect(table.claim('b', 1)).toBe(slot)
    kept.add(slot)
    expect(table.claim('c', 2)).toBe(SHARED_SLOT)
    expect(keys(table)).toEqual(['b'])
  })
})

test('makes room step by step, up to what was asked for', () => {
  const { table, records } = create(1000)
  expect(records.slots).toBeLessThan(100)
  for (let key = 0; key < 5000; key++) table.claim(`${key}`, key)
  expect(records.slots).toBe(1001)
  expect(table.size).toBe(1000)
})

test.each([0, -1, 1.5, Number.NaN, MAX_TARGETS + 1, '10', null])(
  'maxTargets of %s is refused',
  maxTargets => {
    expect(() => create(maxTargets as number)).toThrow(InvalidOptionError)
  }
)
