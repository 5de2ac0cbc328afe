import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CallTable, MAX_IN_FLIGHT } from '../../src/core/call-table.ts'

function open(table: CallTable, slot = 1, deadline = Infinity): number {
  return table.open(slot, 7, 500, 20, deadline)
}

function close(table: CallTable, token: number): void {
  const index = table.find(token)
  expect(index).toBeGreaterThanOrEqual(0)
  table.close(index)
}

describe('a call', () => {
  test('is found by its token, with all that was noted', () => {
    const table = new CallTable(10)
    const calls = Array.from({ length: 10 }, (_, call) => ({
      slot: 3 + call,
      generation: 70 + call,
      bucketEnd: 500.5 + call,
      startedAt: 20.5 + call,
      deadline: 120.5 + call
    }))
    const tokens = calls.map(({ slot, generation, bucketEnd, startedAt, deadline }) =>
      table.open(slot, generation, bucketEnd, startedAt, deadline)
    )
    const found = tokens.map(token => {
      const index = table.find(token)
      return {
        slot: table.slot(index),
        generation: table.generation(index),
        bucketEnd: table.bucketEnd(index),
        startedAt: table.startedAt(index),
        deadline: table.deadline(index)
      }
    })
    expect(found).toEqual(calls)
    expect(table.inFlight).toBe(10)
  })

  test('is found no more once closed', () => {
    const table = new CallTable(10)
    const token = open(table)
    close(table, token)
    expect(table.find(token)).toBe(-1)
    expect(table.inFlight).toBe(0)
  })

  test('is not found by what is no token', () => {
    const table = new CallTable(10)
    open(table)
    for (const token of [-1, -2, -300, 1, 9, 10, 65_536, 0x7fffffff, 2 ** 31, 0.5, Number.NaN, Infinity]) {
      expect(table.find(token)).toBe(-1)
    }
  })

  test('does not get the token of one before it', () => {
    const table = new CallTable(1)
    const tokens = new Set<number>()
    for (let call = 0; call < 1000; call++) {
      const token = open(table)
      tokens.add(token)
      close(table, token)
    }
    expect(tokens.size).toBe(1000)
  })
})

describe('tokens', () => {
  test('are whole numbers from 0 that fit 31 bits, also when they begin again', () => {
    const table = new CallTable(1)
    const tokens = Array.from({ length: 2 ** 15 + 10 }, () => {
      const token = open(table)
      table.close(table.find(token))
      return token
    })
    expect(tokens.every(token => Number.isInteger(token) && token >= 0 && token < 0x7fffffff)).toBe(true)
    expect(new Set(tokens).size).toBe(2 ** 15)
    expect(table.inFlight).toBe(0)
  })

  test('of closed calls are given out again only after all others', () => {
    const table = new CallTable(256)
    const first = Array.from({ length: 256 }, () => open(table))
    for (const token of first) close(table, token)
    const second = Array.from({ length: 256 }, () => open(table))
    expect(second.map(token => token & 0xffff)).toEqual(first.map(token => token & 0xffff))
    expect(new Set([...first, ...second]).size).toBe(512)
  })
})

describe('room', () => {
  test('ends at the number given', () => {
    const table = new CallTable(3)
    const tokens = [open(table), open(table)]
    expect(table.isFull).toBe(false)
    tokens.push(open(table))
    expect(table.isFull).toBe(true)
    close(table, tokens[1]!)
    expect(table.isFull).toBe(false)
    expect(open(table)).toBeGreaterThanOrEqual(0)
    expect(table.isFull).toBe(true)
  })

  test('grows without losing a call, up to the most there can be', () => {
    const table = new CallTable(MAX_IN_FLIGHT)
    const tokens = Array.from({ length: MAX_IN_FLIGHT }, (_, call) => open(table, call))
    expect(table.isFull).toBe(true)
    expect(new Set(tokens).size).toBe(MAX_IN_FLIGHT)
    expect(tokens.every((token, call) => table.slot(table.find(token)) === call)).toBe(true)
    expect(tokens.includes(0x7fffffff)).toBe(false)
    expect(table.find(0x7fffffff)).toBe(-1)
    for (const token of tokens) table.close(table.find(token))
    expect(table.inFlight).toBe(0)
  })
})

describe('deadlines', () => {
  test('those that have come are told earliest first', () => {
    const table = new CallTable(10)
    const tokens = [300, 100, Infinity, 200, 400].map(deadline => open(table, 1, deadline))
    expect(table.earliestDeadline).toBe(100)
    expect(table.overdue(300)).toEqual([tokens[1], tokens[3], tokens[0]])
    expect(table.earliestDeadline).toBe(400)
  })

  test('those of one moment are told in the order their calls started', () => {
    const table = new CallTable(10)
    const tokens = [30, 10, 20].map(startedAt => table.open(1, 7, 500, startedAt, 100))
    expect(table.overdue(100)).toEqual([tokens[1], tokens[2], tokens[0]])
  })

  test('none come when no call has one', () => {
    const table = new CallTable(10)
    open(table)
    expect(table.earliestDeadline).toBe(Infinity)
    expect(table.overdue(1e12)).toEqual([])
  })

  test('those of closed calls are forgotten when looked for', () => {
    const table = new CallTable(10)
    close(table, open(table, 1, 100))
    expect(table.overdue(100)).toEqual([])
    expect(table.earliestDeadline).toBe(Infinity)
  })
})

test('any sequence of opening and closing is that of a map by token', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 300 }),
      fc.array(fc.oneof(fc.nat(), fc.constant('open' as const)), { maxLength: 300, size: 'max' }),
      (max, steps) => {
        const table = new CallTable(max)
        const model = new Map<number, number>()
        const closed: number[] = []
        steps.forEach((step, slot) => {
          if (step === 'open') {
            if (table.isFull) return
            const token = open(table, slot)
            expect(model.has(token)).toBe(false)
            model.set(token, slot)
          } else if (model.size > 0) {
            const token = [...model.keys()][step % model.size]!
            close(table, token)
            model.delete(token)
            closed.push(token)
          }
        })
        expect(table.inFlight).toBe(model.size)
        expect(table.isFull).toBe(model.size === max)
        for (const [token, slot] of model) expect(table.slot(table.find(token))).toBe(slot)
        for (const token of closed) expect(table.find(token)).toBe(-1)
      }
    ),
    { numRuns: 60, seed: 20_260_103 }
  )
})
