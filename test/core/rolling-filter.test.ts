import { describe, expect, test, vi } from 'vitest'
import { GENERATION_KEYS, RollingFilter } from '../../src/core/rolling-filter.ts'

const MAX_AGE_MS = 1_000

function create(random = 0.5): RollingFilter {
  return new RollingFilter(MAX_AGE_MS, () => random)
}

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, number) => `${prefix} ${number}`)
}

test('knows what was added, and nothing before anything was', () => {
  const filter = create()
  expect(filter.has('a', 0)).toBe(false)
  filter.add('a', 0)
  filter.add('', 0)
  expect(['a', '', 'b', 'A', 'a '].map(key => filter.has(key, 0))).toEqual([true, true, false, false, false])
})

test.each([0, 0.3, 0.999_999])('takes next to nobody for another when it is full: %d', random => {
  const filter = create(random)
  const keys = names('12D3KooW', 2 * GENERATION_KEYS)
  for (const key of keys) filter.add(key, 0)
  expect(keys.filter(key => !filter.has(key, 0))).toEqual([])
  // An eighth of one is expected: more than three come by chance once in a hundred thousand times.
  const others = names('QmOther', 300_000)
  expect(others.filter(key => filter.has(key, 0)).length).toBeLessThanOrEqual(3)
})

test('leaves to chance which bits a key sets, once it needs any', () => {
  const random = vi.fn(() => 0.5)
  const filter = new RollingFilter(MAX_AGE_MS, random)
  filter.has('a', 0)
  expect(random).not.toHaveBeenCalled()
  filter.add('a', 0)
  filter.add('b', 10 * MAX_AGE_MS)
  expect(random).toHaveBeenCalledOnce()
})

describe('forgets a key', () => {
  test('when twice as many came after it as fit in, and not before half of them did', () => {
    const filter = create()
    filter.add('a', 0)
    for (const key of names('other', GENERATION_KEYS)) filter.add(key, 0)
    expect(filter.has('a', 0)).toBe(true)
    for (const key of names('more', GENERATION_KEYS)) filter.add(key, 0)
    expect(filter.has('a', 0)).toBe(false)
  })

  test.each([
    [2 * MAX_AGE_MS - 1, true],
    [2 * MAX_AGE_MS, false]
  ])('by its age, whoever is asked for meanwhile: %d ms', (ageMs, isKnown) => {
    const filter = create()
    filter.add('a', 0)
    expect(filter.has('a', ageMs)).toBe(isKnown)
    const looked = create()
    looked.add('a', 0)
    for (let nowMs = 0; nowMs <= ageMs; nowMs += MAX_AGE_MS / 4) looked.has('b', nowMs)
    expect(looked.has('a', ageMs)).toBe(isKnown)
  })

  test('and a new one of a time long after is kept as long as any', () => {
    const filter = create()
    filter.add('a', 0)
    filter.add('b', 10 * MAX_AGE_MS)
    expect(['a', 'b'].map(key => filter.has(key, 11 * MAX_AGE_MS))).toEqual([false, true])
  })

  test('at once, if none is to be remembered', () => {
    const filter = new RollingFilter(0, () => 0)
    filter.add('a', 0)
    expect(filter.has('a', 2)).toBe(false)
  })
})
