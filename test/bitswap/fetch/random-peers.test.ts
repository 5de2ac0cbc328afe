import { expect, test } from 'vitest'
import { type Behaviour, type PeerPlan, type Plan, randomOf, simulate } from './support/simulation.ts'

// Peers of every kind in every mixture, in virtual time. One of them is well and has all blocks.
// SEED=n repeats one run; RUNS=n makes so many.

const behaviours: readonly Behaviour[] = [
  'GOOD',
  'STALL',
  'LIE',
  'CORRUPT',
  'DONT_HAVE',
  'DISCONNECT',
  'DRIP',
  'SLOW'
]
const BLOCKS = 40
const { RUNS = 1_000, SEED } = process.env

function oneOf<Item>(items: readonly Item[], random: () => number): Item {
  return items[Math.floor(random() * items.length)]!
}

/** Bad always, after a while, by chance each time, or most of the time. */
function faultyPeer(random: () => number): PeerPlan {
  const bad = oneOf(behaviours, random)
  const after = Math.floor(random() * 30)
  const periodMs = 500 + random() * 6_000
  const kinds: ReadonlyArray<NonNullable<PeerPlan['behaviour']>> = [
    () => bad,
    ({ served }) => (served < after ? 'GOOD' : bad),
    () => (random() < 0.5 ? oneOf(behaviours, random) : 'GOOD'),
    ({ nowMs }) => (nowMs % periodMs < periodMs / 3 ? 'GOOD' : bad)
  ]
  const third = Math.floor(random() * 3)
  return {
    delayMs: oneOf([5, 10, 60, 200], random),
    behaviour: oneOf(kinds, random),
    ...(random() < 0.3 && { has: (number: number) => number % 3 === third })
  }
}

function randomPlan(seed: number): { plan: Plan; well: number } {
  const random = randomOf(seed)
  const count = 2 + Math.floor(random() * 9)
  const well = Math.floor(random() * count)
  const peers = Array.from({ length: count }, (_, peer) =>
    peer === well ? { delayMs: oneOf([5, 10, 60, 200], random) } : faultyPeer(random)
  )
  const concurrency = 1 + Math.floor(random() * 12)
  return { plan: { seed, peers, blocks: BLOCKS, concurrency, limitMs: 300_000 }, well }
}

test('all blocks arrive, and the peer that is well is never blamed', async () => {
  const first = SEED === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(SEED)
  for (let seed = first; seed < first + (SEED === undefined ? Number(RUNS) : 1); seed++) {
    const { plan, well } = randomPlan(seed)
    const { delivered, faults, opened } = await simulate(plan)
    const blamed = faults.filter(({ peer }) => peer === well).map(({ fault }) => fault)
    expect({ seed, delivered, blamed, isOpened: opened.has(well) }).toEqual({
      seed,
      delivered: BLOCKS,
      blamed: [],
      isOpened: false
    })
  }
}, 600_000)
