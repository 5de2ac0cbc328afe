import { describe, expect, test } from 'vitest'
import { type Want, WantLedger } from '../../src/bitswap/want-ledger.ts'
import { Deadlines } from '../../src/core/deadlines.ts'
import { ManualClock } from '../../src/core/index.ts'

const MAX_OUTSTANDING = 1024
const MAX_REMEMBERED = 4096

function createWant(stream = 0): Want {
  const sentOn = { stream, connection: undefined, wasRefused: false }
  return { askedAtMs: 0, dueAtMs: 0, mustAnswer: true, sentOn, slot: 0, token: 0 }
}

function createLedger(...multihashes: readonly string[]) {
  const ledger = new WantLedger()
  const wants = multihashes.map(multihash => {
    const want = createWant()
    ledger.add(multihash, want)
    return want
  })
  return { ledger, wants }
}

describe('what is waited for', () => {
  test('is taken by its hash, once', () => {
    const { ledger, wants } = createLedger('a', 'b')
    expect(ledger.take('b')).toBe(wants[1])
    expect(ledger.take('b')).toBe(undefined)
    expect(ledger.has('b')).toBe(false)
    expect(ledger.has('a')).toBe(true)
    expect(ledger.size).toBe(1)
  })

  test('has one deadline, which ends with the last', () => {
    const deadlines = new Deadlines(new ManualClock())
    const { ledger } = createLedger('a', 'b', 'c')
    ledger.deadline = deadlines.add(1, () => {})
    ledger.deadline = deadlines.add(2, () => {})
    expect(deadlines.size).toBe(1)
    ledger.take('a')
    ledger.takeOldest()
    expect(deadlines.size).toBe(1)
    ledger.takeAll()
    expect(deadlines.size).toBe(0)
    expect(ledger.deadline).toBe(undefined)
  })

  test('is taken in the order it was asked in', () => {
    const { ledger, wants } = createLedger('b', 'a', 'c')
    ledger.take('a')
    expect([ledger.takeOldest(), ledger.takeOldest(), ledger.takeOldest()]).toEqual([
      wants[0],
      wants[2],
      undefined
    ])
  })

  test('is taken by its stream', () => {
    const ledger = new WantLedger()
    const [here, there] = [1, 2]
    const wants = [here, there, here].map(stream => createWant(stream))
    for (const [index, want] of wants.entries()) ledger.add(String(index), want)
    expect(ledger.takeAll(({ stream }) => stream === here)).toEqual([wants[0], wants[2]])
    expect(ledger.takeAll(() => false)).toEqual([])
    expect(ledger.takeAll()).toEqual([wants[1]])
    expect(ledger.size).toBe(0)
  })

  test(`is at most ${MAX_OUTSTANDING} wants at once`, () => {
    const { ledger } = createLedger(...Array.from({ length: MAX_OUTSTANDING - 1 }, (_, index) => `${index}`))
    expect(ledger.isFull).toBe(false)
    ledger.add('last', createWant())
    expect(ledger.isFull).toBe(true)
    ledger.takeOldest()
    expect(ledger.isFull).toBe(false)
  })
})

describe('what was asked', () => {
  test('is new only once, whatever became of it', () => {
    const { ledger } = createLedger()
    expect(ledger.remember('a')).toBe(true)
    expect(ledger.remember('b')).toBe(true)
    ledger.add('a', createWant())
    ledger.take('a')
    expect(ledger.remember('a')).toBe(false)
  })

  test('is new again when the peer has forgotten it', () => {
    const { ledger } = createLedger('a')
    ledger.remember('a')
    ledger.forget()
    expect(ledger.remember('a')).toBe(true)
    expect(ledger.has('a')).toBe(true)
  })

  test(`is remembered of ${MAX_REMEMBERED} hashes, and the oldest is forgotten first`, () => {
    const { ledger } = createLedger()
    for (let number = 0; number < MAX_REMEMBERED; number++) ledger.remember(`${number}`)
    expect(ledger.remember('0')).toBe(false)
    expect(ledger.remember('one more')).toBe(true)
    expect(ledger.remember('1')).toBe(false)
    expect(ledger.remember('0')).toBe(true)
  })

  test('is told apart by its hash: of many there are hardly two alike', () => {
    const { ledger } = createLedger()
    const hashes = Array.from({ length: MAX_REMEMBERED }, (_, index) =>
      String.fromCharCode(0x12, 32, index & 255, index >> 8, (index * 31) & 255)
    )
    const repeated = hashes.filter(multihash => !ledger.remember(multihash))
    expect(repeated.length).toBeLessThan(3)
  })
})

describe('an answer of which it is not known what it answers', () => {
  test('is taken for the oldest want, until an answer to that one shows that it was for another', () => {
    const ledger = new WantLedger()
    const wants = ['a', 'b', 'c', 'd'].map(name => [name, createWant()] as const)
    for (const [name, want] of wants) ledger.add(name, want)
    const [a, b, c] = wants.map(([, want]) => want)
    // A block, which was for c.
    expect(ledger.takeOldest()).toBe(a)
    // What the peer says of a can only mean that the block was not for a.
    expect(ledger.takeAnswered('a')).toBe(b)
    expect(ledger.takeAnswered('b')).toBe(c)
    expect(ledger.takeAnswered('b')).toBe(undefined)
    expect(ledger.takeAnswered('d')).toBe(wants[3]![1])
    expect(ledger.size).toBe(0)
  })

  test('is no guess any more once the same is asked for again, or everything is forgotten', () => {
    const ledger = new WantLedger()
    for (const name of ['a', 'b', 'c']) ledger.add(name, createWant())
    ledger.takeOldest()
    const again = createWant()
    ledger.add('a', again)
    expect(ledger.takeAnswered('a')).toBe(again)
    expect(ledger.takeAnswered('a')).toBe(undefined)
    ledger.takeOldest()
    ledger.forget()
    expect(ledger.takeAnswered('b')).toBe(undefined)
    expect(ledger.size).toBe(1)
  })
})
