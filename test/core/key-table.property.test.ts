import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KeyTable, SHARED_SLOT } from '../../src/core/key-table.ts'

/** What is known of a key: when it was last used, and whether it must be kept. */
interface NaiveRecord {
  lastUsed: number
  isBad: boolean
}

const key = fc.nat(40).map(number => `peer ${number}`)
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('claim' as const), key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('harm' as const), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('forgive' as const), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const), key }) }
)

// Fewer than 64 records, so that all are looked at and the model can tell which one has to go.
test('a key table is a bounded map that forgets the longest idle, and never a bad one', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 30 }),
      fc.array(step, { maxLength: 200, size: 'max' }),
      (max, steps) => {
        const owners: Array<NaiveRecord | undefined> = []
        const model = new Map<string, NaiveRecord>()
        let slots = 0
        const table = new KeyTable(max, {
          resize: count => {
            slots = count
          },
          reset: (slot, nowMs) => {
            expect(slot).toBeLessThan(slots)
            owners[slot] = { lastUsed: nowMs, isBad: false }
          },
          lastUsed: slot => owners[slot]!.lastUsed,
          isEvictable: slot => !owners[slot]!.isBad
        })
        steps.forEach((action, nowMs) => {
          const known = model.get(action.key)
          const slot = table.find(action.key)
          if (action.do === 'claim' && known !== undefined) known.lastUsed = nowMs
          if (action.do === 'claim' && known === undefined) {
            const mayGo = [...model].filter(([, { isBad }]) => !isBad)
            const hasRoom = model.size < max || mayGo.length > 0
            if (model.size === max && hasRoom) {
              model.delete(mayGo.reduce((a, b) => (a[1].lastUsed < b[1].lastUsed ? a : b))[0])
            }
            if (hasRoom) model.set(action.key, { lastUsed: nowMs, isBad: false })
          }
          if (action.do === 'claim') {
            const claimed = table.claim(action.key, nowMs)
            expect(claimed === SHARED_SLOT).toBe(!model.has(action.key))
            if (claimed !== SHARED_SLOT) owners[claimed]!.lastUsed = nowMs
          }
          if (slot >= 0 && action.do === 'harm') owners[slot]!.isBad = known!.isBad = true
          if (slot >= 0 && action.do === 'forgive') owners[slot]!.isBad = known!.isBad = false
          if (slot >= 0 && action.do === 'release') {
            table.release(slot, nowMs)
            model.delete(action.key)
          }

          expect(table.size).toBe(model.size)
          expect(table.size).toBeLessThanOrEqual(max)
          expect(slots).toBeLessThanOrEqual(max + 1)
          const listed = Array.from(table.slots(), listedSlot => table.key(listedSlot)!)
          expect(new Set(listed)).toEqual(new Set(model.keys()))
          for (const [modelKey, record] of model) expect(owners[table.find(modelKey)]).toEqual(record)
        })
      }
    ),
    { numRuns: 60, seed: 20_260_109 }
  )
})

test('with any number of records a bad one stays, and the bound holds', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 0, max: 1500 }),
      (max, wanted, flood) => {
        const bad = new Set<number>()
        const lastUsed: number[] = []
        const table = new KeyTable(max, {
          resize: () => {},
          reset: (slot, nowMs) => {
            expect(bad.has(slot)).toBe(false)
            lastUsed[slot] = nowMs
          },
          lastUsed: slot => lastUsed[slot]!,
          isEvictable: slot => !bad.has(slot)
        })
        const badKeys = Array.from({ length: Math.min(wanted, max) }, (_, number) => `bad ${number}`)
        const badSlots = badKeys.map(badKey => table.claim(badKey, 0))
        for (const slot of badSlots) bad.add(slot)
        for (let nowMs = 1; nowMs <= flood; nowMs++) {
          const slot = table.claim(`flood ${nowMs}`, nowMs)
          expect(bad.has(slot)).toBe(false)
        }
        expect(badKeys.map(badKey => table.find(badKey))).toEqual(badSlots)
        expect(table.size).toBe(Math.min(max, badKeys.length + flood))
      }
    ),
    { numRuns: 30, seed: 20_260_110 }
  )
})
