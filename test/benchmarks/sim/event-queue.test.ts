import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EventQueue } from '../../../benchmarks/sim/event-queue.ts'

const times = fc.array(fc.oneof(fc.nat(20), fc.double({ min: 0, max: 1e9, noNaN: true })), {
  maxLength: 1500,
  size: 'max'
})

function popAll(queue: EventQueue): number[] {
  return Array.from({ length: queue.size }, () => queue.pop())
}

test('events come out earliest first, each once', () => {
  fc.assert(
    fc.property(times, timesMs => {
      const queue = new EventQueue()
      for (const [event, atMs] of timesMs.entries()) queue.push(atMs, event)
      const popped = popAll(queue)
      expect(popped.map(event => timesMs[event])).toEqual(timesMs.toSorted((a, b) => a - b))
      expect(new Set(popped).size).toBe(timesMs.length)
    })
  )
})

test('so they do if some are taken out while others are put in', () => {
  fc.assert(
    fc.property(times, fc.array(fc.boolean(), { minLength: 1 }), (timesMs, isPop) => {
      const queue = new EventQueue()
      const waiting = new Set<number>()
      for (const [event, atMs] of timesMs.entries()) {
        queue.push(atMs, event)
        waiting.add(event)
        if (!isPop[event % isPop.length]) continue
        const earliestMs = Math.min(...[...waiting].map(other => timesMs[other]!))
        expect(queue.nextMs).toBe(earliestMs)
        const popped = queue.pop()
        expect(timesMs[popped]).toBe(earliestMs)
        waiting.delete(popped)
      }
      expect(queue.size).toBe(waiting.size)
    }),
    { numRuns: 30 }
  )
})

test('an empty queue waits for nothing', () => {
  expect(new EventQueue().nextMs).toBe(Infinity)
})
