import { expect, test, vi } from 'vitest'
import { Notifier } from '../../src/core/notifier.ts'

function create() {
  const errors: unknown[] = []
  return { notifier: new Notifier<string>(error => errors.push(error)), errors }
}

test('tells every listener, in the order they came', () => {
  const { notifier } = create()
  const told: string[] = []
  notifier.subscribe(event => told.push(`first ${event}`))
  notifier.subscribe(event => told.push(`second ${event}`))
  notifier.tell('a')
  notifier.tell('b')
  expect(told).toEqual(['first a', 'second a', 'first b', 'second b'])
})

test('without listeners nothing happens', () => {
  const { notifier } = create()
  expect(notifier.hasListeners).toBe(false)
  notifier.tell('a')
})

test('a listener that was removed is told no more', () => {
  const { notifier } = create()
  const listener = vi.fn()
  const unsubscribe = notifier.subscribe(listener)
  expect(notifier.hasListeners).toBe(true)
  unsubscribe()
  unsubscribe()
  notifier.tell('a')
  expect(listener).not.toHaveBeenCalled()
  expect(notifier.hasListeners).toBe(false)
})

test('an event that a listener causes is told after this one, to all', () => {
  const { notifier } = create()
  const told: string[] = []
  notifier.subscribe(event => {
    told.push(`first ${event}`)
    if (event === 'a') notifier.tell('b')
  })
  notifier.subscribe(event => told.push(`second ${event}`))
  notifier.tell('a')
  expect(told).toEqual(['first a', 'second a', 'first b', 'second b'])
})

test('a listener that throws keeps no other from being told, now or later', () => {
  const { notifier, errors } = create()
  const told: string[] = []
  const error = new Error('bad listener')
  notifier.subscribe(() => {
    throw error
  })
  notifier.subscribe(event => told.push(event))
  notifier.tell('a')
  notifier.tell('b')
  expect(told).toEqual(['a', 'b'])
  expect(errors).toEqual([error, error])
})

test('an error handler that throws silences nobody for later', () => {
  const told: string[] = []
  const notifier = new Notifier<string>(error => {
    throw error
  })
  notifier.subscribe(event => {
    if (event === 'a') throw new Error('bad listener')
    told.push(event)
  })
  for (const event of ['a', 'b']) {
    try {
      notifier.tell(event)
    } catch {
      // Whether this comes out or not is not the question here.
    }
  }
  expect(told).toEqual(['b'])
})

test('listeners may come and go while they are told', () => {
  const { notifier } = create()
  const told: string[] = []
  const unsubscribe = notifier.subscribe(event => {
    told.push(`first ${event}`)
    unsubscribe()
    notifier.subscribe(later => told.push(`new ${later}`))
  })
  notifier.subscribe(event => told.push(`second ${event}`))
  notifier.tell('a')
  expect(told).toEqual(['first a', 'second a'])
  notifier.tell('b')
  expect(told.slice(2)).toEqual(['second b', 'new b'])
})
