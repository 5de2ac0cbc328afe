import { expect, test } from 'vitest'
import { Ring, RingElement } from '../../src/core/ring.ts'

class Numbered extends RingElement {
  readonly number: number

  constructor(number: number) {
    super()
    this.number = number
  }
}

function create(count: number) {
  const ring = new Ring<Numbered>()
  const elements = Array.from({ length: count }, (_, number) => new Numbered(number))
  for (const element of elements) ring.add(element)
  return { ring, elements, numbers: () => [...ring].map(({ number }) => number) }
}

test('gives what is in it, in the order it was added in', () => {
  const { ring, numbers } = create(3)
  expect(numbers()).toEqual([0, 1, 2])
  expect([ring.size, ring.isEmpty]).toEqual([3, false])
})

test('is empty at first', () => {
  const { ring, numbers } = create(0)
  expect(numbers()).toEqual([])
  expect([ring.size, ring.isEmpty]).toEqual([0, true])
})

test('has a first and a last one, unless it is empty', () => {
  const { ring, elements } = create(3)
  expect([ring.first, ring.last]).toEqual([elements[0], elements[2]])
  elements[0]!.remove()
  expect(ring.first).toBe(elements[1])
  ring.clear()
  expect([ring.first, ring.last]).toEqual([undefined, undefined])
})

test.each([0, 1, 2])('gives all but what was removed: %d', number => {
  const { elements, numbers } = create(3)
  expect(elements[number]!.remove()).toBe(true)
  expect(numbers()).toEqual([0, 1, 2].filter(other => other !== number))
})

test('an element is removed once, and may be added again', () => {
  const { ring, elements, numbers } = create(2)
  elements[0]!.remove()
  expect(elements[0]!.remove()).toBe(false)
  ring.add(elements[0]!)
  expect(numbers()).toEqual([1, 0])
})

test('the one just given may be removed while it goes on', () => {
  const { ring, numbers } = create(3)
  const given: number[] = []
  for (const element of ring) {
    given.push(element.number)
    element.remove()
  }
  expect(given).toEqual([0, 1, 2])
  expect(numbers()).toEqual([])
})

test('cleared, it is empty, and its elements are in no ring', () => {
  const { ring, elements } = create(2)
  ring.clear()
  expect(ring.isEmpty).toBe(true)
  expect(elements.map(element => element.remove())).toEqual([false, false])
})
