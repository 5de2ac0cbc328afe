import { shuffled } from '../harness.ts'
import type { Content } from './content.ts'
import type { FaultKind, FaultPlan } from './fault.ts'
import type { PeerTask } from './peer-commands.ts'
import { seededStream } from './seeded-stream.ts'
import { blockCount, contentOf, delayOf, holdings, type Workload } from './workload.ts'

// Situations a fetch may find itself in. Who is bad, who is turned to first, how bad periods fall, who has what, who is far
// away and how long each answer takes come each from a stream of chances of its own.

export interface Scenario {
  readonly workload: Workload
  readonly content: Content
  /** What each peer of the rig is. */
  readonly tasks: readonly PeerTask[]
  /** Peers in the order in which they are given to who fetches. */
  readonly order: readonly number[]
  /** Peers that are connected, but not given: they have nothing. */
  readonly bystanders: readonly number[]
  /** Whether all are connected before anything is asked for. */
  readonly isConnected: boolean
  /** Those that have a fault. */
  readonly bad: ReadonlySet<number>
  readonly incidents: readonly Incident[]
}

/** Something that befalls whole processes while blocks are fetched. */
export interface Incident {
  /**
   * - `freeze`: peers are stopped by SIGSTOP
   * - `kill`: peers are ended by SIGKILL
   * - `cure`: peers lose their fault
   * - `block`: the event loop of who fetches is blocked for 500 ms, again and again
   */
  readonly kind: 'freeze' | 'kill' | 'cure' | 'block'
  readonly peers: readonly number[]
  /** How many blocks there are when it begins. If none, all are connected that are to be from the start. */
  readonly afterBlocks: number
  /** In ms; until all is over if not given. */
  readonly lastsMs?: number
}

/** Who is bad and how, by number of the peer. */
type Faults = ReadonlyMap<number, FaultPlan>

/** What a scenario is besides its workload, given the peers in two random orders that have nothing to do with each other. */
interface Plot {
  readonly faults?: Faults
  /** Peers with a fault that is not one of their messages. */
  readonly stricken?: readonly number[]
  readonly bystanders?: readonly number[]
  readonly incidents?: readonly Incident[]
  /** The numbers of the blocks that each peer has, if the workload does not say. */
  readonly held?: ReadonlyArray<readonly number[] | undefined>
}

function scenario(
  seed: number,
  workload: Workload,
  plot: (order: readonly number[], placement: readonly number[]) => Plot
): Scenario {
  const order = shuffled(workload.peers, seededStream(seed, 'order'))
  const placement = shuffled(workload.peers, seededStream(seed, 'placement'))
  const { faults = new Map(), stricken = [], bystanders = [], incidents = [], held } = plot(order, placement)
  const bad = new Set([...faults.keys(), ...stricken])
  const heldBy = held ?? distribute(seed, workload, placement, bad)
  const distances = shuffled(workload.peers, seededStream(seed, 'distance'))
  const content = contentOf(workload, seed)
  const tasks = order.map((_, peer): PeerTask => {
    const own = bystanders.includes(peer) ? [] : heldBy[peer]
    return {
      content,
      ...(own && { held: own }),
      fault: faults.get(peer) ?? { kind: 'none' },
      delayMs: delayOf(workload, distances[peer]!),
      delaySeed: Math.floor(seededStream(seed, `delay of ${peer}`)() * 2 ** 32),
      ...(workload.bytesPerS !== undefined && { bytesPerS: workload.bytesPerS })
    }
  })
  return {
    workload,
    content,
    tasks,
    order: order.filter(peer => !bystanders.includes(peer)),
    bystanders,
    isConnected: false,
    bad,
    incidents
  }
}

/** A scenario, with all peers connected beforehand. */
export function connected(make: typeof healthy): typeof healthy {
  return (seed, workload) => ({ ...make(seed, workload), isConnected: true })
}

/** Of overlapping shares those that are well have both, so that no block is with the bad ones only. */
function distribute(
  seed: number,
  workload: Workload,
  placement: readonly number[],
  bad: ReadonlySet<number>
): ReadonlyArray<readonly number[] | undefined> {
  if (workload.distribution === undefined) return []
  const goodFirst = placement.toSorted((one, other) => Number(bad.has(one)) - Number(bad.has(other)))
  const ranks = placement.map((_, peer) => goodFirst.indexOf(peer))
  return holdings(workload.distribution, blockCount(workload), ranks, seededStream(seed, 'holdings'))
}

function all(peers: readonly number[], fault: FaultPlan): Faults {
  return new Map(peers.map(peer => [peer, fault]))
}

/** S0: nobody is bad. */
export function healthy(seed: number, workload: Workload): Scenario {
  return scenario(seed, workload, () => ({}))
}

const mixedKinds: readonly FaultKind[] = ['stall', 'slow', 'lie', 'corrupt', 'dont-have', 'disconnect']

/** S1: six of ten are bad, as many in each way, from the start. */
export function mixed(seed: number, workload: Workload): Scenario {
  const count = Math.round(0.6 * workload.peers)
  return scenario(seed, workload, (_, placement) => ({
    faults: new Map(
      placement.slice(0, count).map((peer, index) => [peer, { kind: mixedKinds[index % mixedKinds.length]! }])
    )
  }))
}

/** S2, S3: the first peers that are turned to are bad: as many as a stock session has, if it is not said how many. */
export function firstAreBad(seed: number, workload: Workload, fault: FaultPlan, count = 5): Scenario {
  return scenario(seed, workload, order => ({ faults: all(order.slice(0, count), fault) }))
}

/** S3: the first peers that are turned to are stopped, or ended, once so many blocks are there. */
export function firstAreStricken(
  seed: number,
  workload: Workload,
  kind: 'freeze' | 'kill',
  count: number,
  afterBlocks: number
): Scenario {
  return scenario(seed, workload, order => {
    const stricken = order.slice(0, count)
    return { stricken, incidents: [{ kind, peers: stricken, afterBlocks }] }
  })
}

/** S5, S6, S7: so many peers, wherever they are, are bad. */
export function someAreBad(seed: number, workload: Workload, count: number, fault: FaultPlan): Scenario {
  return scenario(seed, workload, (_, placement) => ({ faults: all(placement.slice(0, count), fault) }))
}

/** S4: so many peers are good and silent in turns, each in a rhythm that begins elsewhere. */
export function oscillating(
  seed: number,
  workload: Workload,
  count: number,
  goodMs: number,
  badMs: number
): Scenario {
  const random = seededStream(seed, 'fault')
  const plan = (): FaultPlan => {
    const offsetMs = Math.floor(random() * (goodMs + badMs))
    return { kind: 'stall', periods: { goodMs, badMs, offsetMs } }
  }
  return scenario(seed, workload, (_, placement) => ({
    faults: new Map(placement.slice(0, count).map(peer => [peer, plan()]))
  }))
}

/** S8: all peers are stopped for a while, and nobody is to blame. */
export function outage(seed: number, workload: Workload, afterBlocks: number, lastsMs: number): Scenario {
  return scenario(seed, workload, order => ({
    incidents: [{ kind: 'freeze', peers: order, afterBlocks, lastsMs }]
  }))
}

/** S9: who fetches has no time for his peers. */
export function busyClient(seed: number, workload: Workload, afterBlocks: number): Scenario {
  return scenario(seed, workload, () => ({ incidents: [{ kind: 'block', peers: [], afterBlocks }] }))
}

/** S10: the first peer that is turned to is bad until so many blocks are there. */
export function cured(seed: number, workload: Workload, fault: FaultPlan, afterBlocks: number): Scenario {
  return scenario(seed, workload, order => {
    const peers = order.slice(0, 1)
    return { faults: all(peers, fault), incidents: [{ kind: 'cure', peers, afterBlocks }] }
  })
}

/** S12: all but two are silent; one of the two has 40 % of the blocks, the other the rest. */
export function fewHaveAll(seed: number, workload: Workload): Scenario {
  const numbers = Array.from({ length: blockCount(workload) }, (_, number) => number)
  return scenario(seed, workload, (_, placement) => {
    const [first, second] = placement
    const isFirsts = (number: number): boolean => number % 5 < 2
    const held: number[][] = []
    held[first!] = numbers.filter(isFirsts)
    held[second!] = numbers.filter(number => !isFirsts(number))
    return { faults: all(placement.slice(2), { kind: 'stall' }), held }
  })
}

/** S13: each block is held by one peer only. */
export function oneHolderEach(seed: number, workload: Workload): Scenario {
  return healthy(seed, { ...workload, distribution: 'onePeerPerBlock' })
}

/** A peer that has nothing, but is connected, is stopped just before the first block is asked for. */
export function frozenBystander(seed: number, workload: Workload): Scenario {
  return scenario(seed, workload, (_, placement) => {
    const peers = placement.slice(0, 1)
    return { stricken: peers, bystanders: peers, incidents: [{ kind: 'freeze', peers, afterBlocks: 0 }] }
  })
}
