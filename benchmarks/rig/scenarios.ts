import type { BlocksRequest } from '../../src/cli/swarm/blocks.ts'
import { shuffled } from '../harness.ts'
import type { FaultKind, FaultPlan } from './fault.ts'
import type { PeerTask } from './peer-commands.ts'
import { seededStream } from './seeded-stream.ts'

// Situations a fetch may find itself in. Who is bad, who is turned to first, how bad periods fall and how long good
// peers take each come from a stream of chances of its own.

/** How many there are of everything. */
export interface Size {
  readonly peers: number
  readonly blocks: number
  readonly sizeBytes: number
}

export interface Scenario {
  readonly blocks: BlocksRequest
  /** What each peer of the rig is. */
  readonly tasks: readonly PeerTask[]
  /** Peers in the order in which they are given to who fetches. */
  readonly order: readonly number[]
  /** Those that have a fault. */
  readonly bad: ReadonlySet<number>
}

/** Who is bad and how, by number of the peer. */
type Faults = ReadonlyMap<number, FaultPlan>

/** The numbers of the blocks that a peer has; all if `undefined`. */
type Holding = (peer: number) => readonly number[] | undefined

/** @param faultsOf - given the peers in two random orders, of which one has nothing to do with the other */
function scenario(
  seed: number,
  size: Size,
  faultsOf: (order: readonly number[], placement: readonly number[]) => Faults,
  holdingOf: (faults: Faults) => Holding = () => () => undefined
): Scenario {
  const order = shuffled(size.peers, seededStream(seed, 'order'))
  const placement = shuffled(size.peers, seededStream(seed, 'placement'))
  const faults = faultsOf(order, placement)
  const holding = holdingOf(faults)
  const blocks = { seed, count: size.blocks, sizeBytes: size.sizeBytes }
  const tasks = order.map((_, peer): PeerTask => {
    const held = holding(peer)
    return {
      blocks,
      ...(held && { held }),
      fault: faults.get(peer) ?? { kind: 'none' },
      delaySeed: Math.floor(seededStream(seed, `delay of ${peer}`)() * 2 ** 32)
    }
  })
  return { blocks, tasks, order, bad: new Set(faults.keys()) }
}

function all(peers: readonly number[], fault: FaultPlan): Faults {
  return new Map(peers.map(peer => [peer, fault]))
}

/** S0: nobody is bad. */
export function healthy(seed: number, size: Size): Scenario {
  return scenario(seed, size, () => new Map())
}

/** S1: one peer of each kind, from the start. */
export function mixed(seed: number, size: Size): Scenario {
  const kinds: FaultKind[] = ['stall', 'slow', 'lie', 'corrupt', 'dont-have', 'disconnect']
  return scenario(
    seed,
    size,
    (_, placement) => new Map(kinds.map((kind, index) => [placement[index]!, { kind }]))
  )
}

/** S2, S3, S10: the first peers that are turned to are bad: as many as a stock session has, if it is not said how many. */
export function firstAreBad(seed: number, size: Size, fault: FaultPlan, count = 5): Scenario {
  return scenario(seed, size, order => all(order.slice(0, count), fault))
}

/** S5, S6, S7: so many peers, wherever they are, are bad. */
export function someAreBad(seed: number, size: Size, count: number, fault: FaultPlan): Scenario {
  return scenario(seed, size, (_, placement) => all(placement.slice(0, count), fault))
}

/** S4: so many peers are good and silent in turns, each in a rhythm that begins elsewhere. */
export function oscillating(
  seed: number,
  size: Size,
  count: number,
  goodMs: number,
  badMs: number
): Scenario {
  const random = seededStream(seed, 'fault')
  const plan = (): FaultPlan => {
    const offsetMs = Math.floor(random() * (goodMs + badMs))
    return { kind: 'stall', periods: { goodMs, badMs, offsetMs } }
  }
  return scenario(
    seed,
    size,
    (_, placement) => new Map(placement.slice(0, count).map(peer => [peer, plan()]))
  )
}

/** S12: all but two are silent; one of the two has 40 % of the blocks, the other the rest. */
export function fewHaveAll(seed: number, size: Size): Scenario {
  const numbers = Array.from({ length: size.blocks }, (_, number) => number)
  return scenario(
    seed,
    size,
    (_, placement) => all(placement.slice(2), { kind: 'stall' }),
    faults => {
      const first = numbers.findIndex(peer => !faults.has(peer))
      return peer =>
        faults.has(peer) ? undefined : numbers.filter(number => number % 5 < 2 === (peer === first))
    }
  )
}

/** S13: each block is held by one peer only. */
export function oneHolderEach(seed: number, size: Size): Scenario {
  const numbers = Array.from({ length: size.blocks }, (_, number) => number)
  return scenario(
    seed,
    size,
    () => new Map(),
    () => peer => numbers.filter(number => number % size.peers === peer)
  )
}
