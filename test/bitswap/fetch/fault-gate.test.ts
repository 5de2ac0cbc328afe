import { describe, expect, test } from 'vitest'
import { FaultGate } from '../../../src/bitswap/fetch/fault-gate.ts'

const MAX_HELD = 1024

/** A gate among so many peers that were asked of late. */
function createGate(activePeers: number) {
  const settled: Array<[peer: string, isConfirmed: boolean]> = []
  const lastDelivered = new Map<string, number>()
  const peers = { count: activePeers, silentAt: new Map<string, number>() }
  const gate = new FaultGate<string>({
    lastDeliveredMs: peer => lastDelivered.get(peer) ?? -Infinity,
    activePeers: () => peers.count,
    silentPeers: sinceMs => [...peers.silentAt].flatMap(([peer, atMs]) => (atMs > sinceMs ? [peer] : []))
  })
  return {
    gate,
    peers,
    settled,
    lastDelivered,
    hold: (peer: string, atMs = 0, sinceMs = atMs) =>
      gate.hold({ peer, sinceMs, atMs, settle: isConfirmed => settled.push([peer, isConfirmed]) }),
    /** A block arrives. */
    deliver: (nowMs = 0) => gate.delivered(nowMs)
  }
}

describe('a verdict', () => {
  test('is held until a block arrives, then counted once', () => {
    const { gate, hold, settled, deliver } = createGate(10)
    hold('a')
    expect(settled).toEqual([])
    expect(gate.size).toBe(1)
    deliver()
    expect(settled).toEqual([['a', true]])
    expect(gate.size).toBe(0)
    deliver()
    expect(settled).toHaveLength(1)
  })

  test('counts for nothing when the peer has delivered since', () => {
    const { hold, settled, lastDelivered, deliver } = createGate(10)
    hold('a', 100)
    hold('b', 100)
    hold('c', 100)
    lastDelivered.set('a', 101)
    lastDelivered.set('b', 99)
    lastDelivered.set('c', 100)
    deliver()
    expect(settled).toEqual([
      ['a', false],
      ['b', true],
      ['c', true]
    ])
  })

  test('counts for nothing when all are dropped', () => {
    const { gate, hold, settled, deliver } = createGate(10)
    hold('a')
    hold('b')
    gate.clear()
    expect(settled).toEqual([
      ['a', false],
      ['b', false]
    ])
    deliver()
    expect(settled).toHaveLength(2)
  })

  test('that settling another leads to is held for the next block', () => {
    const { gate, hold, settled, deliver } = createGate(10)
    gate.hold({ peer: 'a', sinceMs: 0, atMs: 0, settle: () => hold('b') })
    deliver()
    expect(settled).toEqual([])
    deliver()
    expect(settled).toEqual([['b', true]])
  })

  test(`is dropped when ${MAX_HELD} came after it`, () => {
    const { gate, hold, settled, deliver } = createGate(1_000_000)
    hold('first')
    for (let count = 1; count < MAX_HELD; count++) hold('a')
    expect(settled).toEqual([])
    expect(gate.size).toBe(MAX_HELD)
    hold('last')
    expect(settled).toEqual([['first', false]])
    expect(gate.size).toBe(MAX_HELD)
    deliver()
    expect(settled.at(-1)).toEqual(['last', true])
  })
})

describe('an outage', () => {
  test.each([
    ['half of the peers', 2, 4],
    ['more than half', 3, 4],
    ['all', 2, 2]
  ])('is when %s are silent: nobody is blamed', (_, silent, active) => {
    const { hold, settled, deliver } = createGate(active)
    for (let peer = 0; peer < silent; peer++) hold(`${peer}`)
    deliver()
    expect(settled).toHaveLength(silent)
    expect(settled.every(([, isConfirmed]) => !isConfirmed)).toBe(true)
  })

  test('is not when fewer than half are silent', () => {
    const { hold, settled, deliver } = createGate(19)
    for (let peer = 0; peer < 9; peer++) hold(`${peer}`)
    deliver()
    expect(settled).toHaveLength(9)
    expect(settled.every(([, isConfirmed]) => isConfirmed)).toBe(true)
  })

  test('is not when one peer is silent, however often, and be it the only one', () => {
    const { gate, hold, settled, deliver } = createGate(1)
    for (let time = 0; time < 3; time++) hold('a')
    expect(gate.stretch).toBe(1)
    deliver()
    expect(settled.map(([, isConfirmed]) => isConfirmed)).toEqual([true, true, true])
  })

  test('is when those who are blamed and those who are silent so far are half of the peers', () => {
    const { hold, peers, settled, deliver } = createGate(4)
    hold('a', 10)
    peers.silentAt.set('b', 10)
    deliver(20)
    expect(settled).toEqual([['a', false]])
    // From here on it counts anew who is silent.
    hold('a', 30)
    deliver(40)
    expect(settled.at(-1)).toEqual(['a', true])
  })

  test('is not when nobody is blamed, however many are silent', () => {
    const { gate, peers } = createGate(4)
    for (const peer of 'abcd') peers.silentAt.set(peer, 1)
    expect(gate.isOutage).toBe(false)
  })

  test('was one although the silent speak again before the block arrives', () => {
    const { gate, hold, peers, settled, deliver } = createGate(4)
    hold('a', 10)
    peers.silentAt.set('b', 10)
    gate.heard()
    peers.silentAt.clear()
    deliver(20)
    expect(settled).toEqual([['a', false]])
    // The next one is another matter.
    hold('a', 30)
    gate.heard()
    deliver(40)
    expect(settled.at(-1)).toEqual(['a', true])
  })

  test('lets what goes back to it count for nothing later, too', () => {
    const { hold, settled, deliver } = createGate(4)
    hold('a', 10)
    hold('b', 10)
    deliver(20)
    hold('c', 30, 19)
    expect(settled.at(-1)).toEqual(['c', false])
    hold('c', 30, 20)
    expect(settled).toHaveLength(3)
    deliver(40)
    expect(settled.at(-1)).toEqual(['c', true])
  })

  test('is judged by who is silent when the block arrives', () => {
    const { hold, peers, settled, deliver } = createGate(2)
    hold('a')
    hold('b')
    peers.count = 5
    deliver()
    expect(settled.map(([, isConfirmed]) => isConfirmed)).toEqual([true, true])
  })
})

describe('deadlines', () => {
  test('are stretched twofold with each verdict of an outage, up to 32 times', () => {
    const { gate, hold } = createGate(2)
    expect(gate.stretch).toBe(1)
    hold('a')
    expect(gate.stretch).toBe(1)
    hold('b')
    expect(gate.stretch).toBe(2)
    hold('a')
    expect(gate.stretch).toBe(4)
    for (let time = 0; time < 10; time++) hold('a')
    expect(gate.stretch).toBe(32)
  })

  test('go back by a factor of 0.85 with each block, down to where they were', () => {
    const { gate, hold, deliver } = createGate(2)
    for (const peer of ['a', 'b', 'a']) hold(peer)
    deliver()
    expect(gate.stretch).toBeCloseTo(4 * 0.85)
    deliver()
    expect(gate.stretch).toBeCloseTo(4 * 0.85 ** 2)
    for (let time = 0; time < 20; time++) deliver()
    expect(gate.stretch).toBe(1)
  })

  test('go back at once when all is dropped', () => {
    const { gate, hold } = createGate(2)
    for (const peer of ['a', 'b', 'a']) hold(peer)
    gate.clear()
    expect(gate.stretch).toBe(1)
  })
})
