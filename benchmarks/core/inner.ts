import type { Protection, ProtectionTable } from 'bitswap-protection/core'
import { type Candidate, type Prepared, type Settings, seededRandom } from '../harness.ts'
import { timedGroup } from '../timed-group.ts'
import { allocatesAtMost, NOTHING_BYTES } from './allocation.ts'
import { PICKS, protectionOf, randomSlots, SUCCESS } from './healthy-targets.ts'
import { peerId } from './subjects.ts'

const BATCH = 200 * 1024
/** Time moves on by 1 ms every so many calls. */
const CALLS_PER_MS = 1024

const LOOP = 'the loop alone'
const HOT = 'one slot'
const FAILING = 'random of 100 k, 5 % of calls fail'
const TRIPPING = 'random of 1 k, 5 % of slots bad: trips, probes, recovery'

/** So many targets, with the names of what is done with a random one of them each time. */
interface Population {
  readonly targets: number
  readonly slots: string
  readonly keys: string
  readonly map: string
}

const FEW = population(1000, '1 k')
const MANY = population(100_000, '100 k')
const MOST = population(1_000_000, '1 M')

function population(targets: number, text: string): Population {
  return {
    targets,
    slots: `random of ${text}`,
    keys: `random keys of ${text}, looked up`,
    map: `Map.get alone, random keys of ${text}`
  }
}

/**
 * What is not held to allocating nothing: what is not ours, and where calls fail. There health or circuits change all
 * the time, and each change is noted as an event.
 */
const unjudged: readonly string[] = [LOOP, FAILING, TRIPPING, MANY.map, MOST.map]

const FAILURE = 1

/** What the calls of a run are made from, pick by pick. */
interface Picked {
  readonly table: ProtectionTable
  readonly slots: Int32Array
  readonly fails: Uint8Array
}

/** The time, kept as the clock of the running system keeps it: so that handing it on makes no new number. */
let nowMs = 0

/**
 * Runs calls 1 ms at a time. A function of its own for that, called often, is compiled as any hot function; a long
 * loop called a few times stays in code of a lower tier, or in what replaced it on the stack.
 */
function byMilliseconds(callAll: (firstPick: number) => void, startMs = 0): Pick<Prepared, 'run'> {
  let pick = 0
  let now = startMs
  return {
    run(times) {
      for (let called = 0; called < times; called += CALLS_PER_MS) {
        now++
        nowMs = now
        callAll(pick)
        pick = (pick + CALLS_PER_MS) & (PICKS - 1)
      }
    }
  }
}

/** Admits and settles calls to the slots picked. All end well, but for those `fails` says do not. */
function callSlots({ table, slots, fails }: Picked, firstPick: number): void {
  for (let pick = firstPick; pick < firstPick + CALLS_PER_MS; pick++) {
    const slot = slots[pick]!
    const token = table.admit(slot, nowMs)
    if (token >= 0) table.settle(slot, token, fails[pick]!, nowMs)
  }
}

const neverFails = new Uint8Array(PICKS)

function sumPicks(slots: Int32Array, fails: Uint8Array, firstPick: number): number {
  let sum = 0
  for (let pick = firstPick; pick < firstPick + CALLS_PER_MS; pick++)
    sum = (sum + slots[pick]! + fails[pick]!) | 0
  return sum
}

function loopAlone(): Candidate {
  return {
    name: LOOP,
    batch: BATCH,
    prepare() {
      const slots = randomSlots(100_000)
      let sum = 0
      return {
        ...byMilliseconds(firstPick => {
          sum += sumPicks(slots, neverFails, firstPick)
        }),
        fault: () => (sum === 0 ? 'nothing was picked' : undefined)
      }
    }
  }
}

/** @param goals - what the project wants, and where time starts */
function overSlots(
  name: string,
  targets: number,
  { startMs = 0, ...goals }: { startMs?: number; goalNs?: number } = {}
): Candidate {
  return {
    name,
    batch: BATCH,
    ...goals,
    async prepare() {
      const { table } = await protectionOf(targets)
      const picked = { table, slots: randomSlots(targets), fails: neverFails }
      return {
        ...byMilliseconds(firstPick => callSlots(picked, firstPick), startMs),
        fault: () => refusals(table)
      }
    }
  }
}

/** One call in twenty fails, to whomever it goes. */
function withFailures(): Candidate {
  return {
    name: FAILING,
    batch: BATCH,
    async prepare() {
      const { table } = await protectionOf(100_000)
      const random = seededRandom(5)
      const fails = Uint8Array.from({ length: PICKS }, () => (random() < 0.05 ? FAILURE : SUCCESS))
      // Five failures in a row, which open a circuit, come by chance about once in three million calls.
      const picked = { table, slots: randomSlots(100_000), fails }
      return {
        ...byMilliseconds(firstPick => callSlots(picked, firstPick)),
        fault: () => refusals(table, BATCH)
      }
    }
  }
}

/** One slot in twenty fails for a while, then another: so circuits open, are probed, and slots recover. */
function withTrips(): Candidate {
  const targets = 1000
  const spellMs = 256
  return {
    name: TRIPPING,
    batch: BATCH,
    async prepare() {
      const { table } = await protectionOf(targets, {
        breaker: { timeoutMs: 50, maxTimeoutMs: 200 },
        recovery: { recoveryIntervalMs: 10 }
      })
      const slots = randomSlots(targets)
      const fails = Uint8Array.from(slots, (slot, pick) => {
        const spell = Math.floor(pick / CALLS_PER_MS / spellMs)
        return (slot + spell * 7) % 20 === 0 ? FAILURE : SUCCESS
      })
      return {
        ...byMilliseconds(firstPick => callSlots({ table, slots, fails }, firstPick)),
        fault: () => {
          const { OPEN, RECOVERING } = table.rejections()
          return OPEN > 0 && RECOVERING > 0 ? undefined : 'nothing tripped, or nothing recovered'
        }
      }
    }
  }
}

function callKeys(
  protection: Protection,
  keys: readonly string[],
  slots: Int32Array,
  firstPick: number
): void {
  const { table } = protection
  for (let pick = firstPick; pick < firstPick + CALLS_PER_MS; pick++) {
    const slot = protection.slot(keys[slots[pick]!]!, nowMs)
    const token = table.admit(slot, nowMs)
    if (token >= 0) table.settle(slot, token, SUCCESS, nowMs)
  }
}

/** Keys by slot, of which the first is that of no key. */
function keysBySlot(targets: number): string[] {
  return ['', ...Array.from({ length: targets }, (_, target) => peerId(target))]
}

function overKeys({ keys: name, targets }: Population): Candidate {
  return {
    name,
    batch: BATCH,
    async prepare() {
      const protection = await protectionOf(targets)
      // Those the protection holds are others, as they are for an application, with the same text.
      const keys = keysBySlot(targets)
      const slots = randomSlots(targets)
      return {
        ...byMilliseconds(firstPick => callKeys(protection, keys, slots, firstPick)),
        fault: () => refusals(protection.table)
      }
    }
  }
}

/**
 * Looks keys up, each only when the one before was found, as calls do: otherwise the processor would read ahead. Returns
 * 0 if each has the slot it should have.
 */
function lookUp(
  found: ReadonlyMap<string, number>,
  keys: readonly string[],
  slots: Int32Array,
  firstPick: number
): number {
  let deviation = 0
  for (let pick = firstPick; pick < firstPick + CALLS_PER_MS; pick++) {
    const slot = slots[pick + deviation]!
    deviation = found.get(keys[slot]!)! - slot
  }
  return deviation
}

/** What any breaker per key takes before it is asked anything. */
function mapAlone({ map: name, targets }: Population): Candidate {
  return {
    name,
    batch: BATCH,
    prepare() {
      const found = new Map(keysBySlot(targets).map((key, slot) => [key, slot]))
      const keys = keysBySlot(targets)
      const slots = randomSlots(targets)
      let deviation = 0
      return {
        ...byMilliseconds(firstPick => {
          deviation += lookUp(found, keys, slots, firstPick)
        }),
        fault: () => (deviation === 0 ? undefined : 'keys were not found')
      }
    }
  }
}

function refusals(table: ProtectionTable, atMost = 0): string | undefined {
  const refused = Object.values(table.rejections()).reduce((sum, count) => sum + count, 0)
  return refused <= atMost ? undefined : `${refused} calls were refused`
}

function candidates({ isQuick }: Settings): Candidate[] {
  return [
    loopAlone(),
    overSlots(HOT, 1, { goalNs: 20 }),
    // As the clock of the running system gives it.
    overSlots('one slot, time with fractions', 1, { startMs: 1234.567 }),
    overSlots(FEW.slots, FEW.targets),
    overSlots(MANY.slots, MANY.targets, { goalNs: 40 }),
    withFailures(),
    withTrips(),
    overKeys(FEW),
    overKeys(MANY),
    mapAlone(MANY),
    // It takes a while to make so many.
    ...(isQuick ? [] : [overSlots(MOST.slots, MOST.targets), overKeys(MOST), mapAlone(MOST)])
  ]
}

export const inner = timedGroup({
  name: 'inner',
  title: 'admit + settle of the inner form, everything on',
  ours: HOT,
  ratios: ({ isQuick }) =>
    (isQuick ? [MANY] : [MANY, MOST]).flatMap(({ slots, keys, map }) => [
      { of: keys, to: slots },
      { of: keys, to: map }
    ]),
  notes: () => [
    `Time is an integer that moves on by 1 ms every ${CALLS_PER_MS} calls.`,
    'Where calls fail, health and circuits change; such changes are noted as events, which are allocated.'
  ],
  candidates,
  checks: rows =>
    allocatesAtMost(
      NOTHING_BYTES,
      rows,
      rows.map(({ name }) => name).filter(name => !unjudged.includes(name))
    )
})
