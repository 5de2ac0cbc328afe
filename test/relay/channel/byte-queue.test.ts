import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteQueue } from '../../../src/relay/channel/byte-queue.ts'

test('what comes out is what came in, in whatever portions', () => {
  const step = fc.oneof(
    fc.record({ push: fc.uint8Array({ maxLength: 20 }) }),
    fc.record({ take: fc.nat(30) }),
    fc.record({ takeSome: fc.integer({ min: 1, max: 30 }) })
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const queue = new ByteQueue()
      let model: number[] = []
      for (const each of steps) {
        if ('push' in each) {
          queue.push(each.push)
          model.push(...each.push)
        } else if ('take' in each && each.take > model.length) {
          expect(() => queue.take(each.take)).toThrow(RangeError)
        } else if ('take' in each) {
          expect([...queue.take(each.take)]).toEqual(model.slice(0, each.take))
          model = model.slice(each.take)
        } else {
          const taken = queue.takeSome(each.takeSome)
          expect(taken.length).toBeLessThanOrEqual(each.takeSome)
          expect(taken.length > 0).toBe(model.length > 0)
          expect([...taken]).toEqual(model.slice(0, taken.length))
          model = model.slice(taken.length)
        }
        expect(queue.size).toBe(model.length)
      }
    })
  )
})

test('nothing is copied that comes out as it came in', () => {
  const queue = new ByteQueue()
  const chunk = Uint8Array.of(1, 2, 3)
  queue.push(chunk)
  expect(queue.take(2).buffer).toBe(chunk.buffer)
  expect(queue.takeSome(5).buffer).toBe(chunk.buffer)
})
