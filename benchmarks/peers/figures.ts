import type { PeerTask } from '../rig/peer-commands.ts'
import type { CircuitEvent, Run } from '../rig/run.ts'
import type { Scenario } from '../rig/scenarios.ts'
import { blockCount } from '../rig/workload.ts'

/** What a run comes to. Names as in beyond-bitswap's testbed where it has one. */
export interface Figures {
  /** From the first want to the last block that came, in ms. */
  readonly time_to_fetch: number
  /** Blocks that did not come. */
  readonly leech_fails: number
  /** Blocks that peers sent although they were sent by another as well, and bytes of those. */
  readonly dup_blks_rcvd: number
  readonly dup_data_rcvd: number
  /** Messages sent by who fetches. */
  readonly msgs_sent: number
  /** Times a block was asked for, or whether somebody has it, for each block. */
  readonly wantsPerBlock: number
  /** The same, of peers that sent no block at all. */
  readonly wastedWantsPerBlock: number
  /** Bytes of all messages of peers, over those of the blocks that were wanted. */
  readonly bytesRatio: number
  /** Of the blocks that came, by number of the peer: the share that each sent. */
  readonly shares: readonly number[]
  readonly judgement: Judgement
}

/** How right the protection was. */
interface Judgement {
  /** Bad peers whose fault has shown. */
  readonly shown: number
  /** Those of them whose circuit opened, and how long that took since the fault first showed, in ms. */
  readonly timeToOpenMs: readonly number[]
  /** How long circuits of bad peers that closed again were open, in ms. */
  readonly timeToRecloseMs: readonly number[]
  /** Times a circuit of a good peer opened, and for how long good peers were there, in hours. */
  readonly falseOpens: number
  readonly goodPeerHours: number
  /** The largest share of the blocks that at one time was with nobody but peers whose circuit was open. */
  readonly supplyLoss: number
}

export function figuresOf(run: Run, scenario: Scenario): Figures {
  const { peers } = run
  const total = (figure: (peer: Run['peers'][number]) => number): number =>
    peers.reduce((sum, peer) => sum + figure(peer), 0)
  const wants = (peer: Run['peers'][number]): number => peer.blockWants + peer.haveWants
  const blocks = blockCount(scenario.workload)
  const sent = total(({ blocksSent }) => blocksSent)
  return {
    time_to_fetch: run.timeToFetchMs,
    leech_fails: run.failed,
    dup_blks_rcvd: Math.max(0, sent - run.latenciesMs.length),
    dup_data_rcvd: Math.max(0, total(({ blockBytes }) => blockBytes) - run.deliveredBytes),
    msgs_sent: total(({ messages }) => messages),
    wantsPerBlock: run.wantsPerBlock,
    wastedWantsPerBlock: total(peer => (peer.blocksSent === 0 ? wants(peer) : 0)) / blocks,
    bytesRatio: run.bytesRatio,
    shares: peers.map(({ blocksSent }) => (sent === 0 ? 0 : blocksSent / sent)),
    judgement: judge(run, scenario)
  }
}

function judge({ events, shownAt, timeToFetchMs }: Run, { bad, tasks, workload }: Scenario): Judgement {
  const opens = events.filter(({ type }) => type === 'circuit:open')
  const shown = [...bad].filter(peer => shownAt.has(peer))
  const firstOpens = shown.flatMap(peer => opens.find(event => event.peer === peer) ?? [])
  return {
    shown: shown.length,
    timeToOpenMs: firstOpens.map(({ peer, at }) => at - shownAt.get(peer)!),
    timeToRecloseMs: shown.flatMap(peer => openTimesMs(events, peer)),
    falseOpens: opens.filter(({ peer }) => !bad.has(peer)).length,
    goodPeerHours: ((tasks.length - bad.size) * timeToFetchMs) / 3_600_000,
    supplyLoss: supplyLoss(events, tasks, blockCount(workload))
  }
}

/** From each time a circuit opened to when it closed, if it did. */
function openTimesMs(events: readonly CircuitEvent[], peer: number): number[] {
  const timesMs: number[] = []
  let openedAt: number | undefined
  for (const event of events) {
    if (event.peer !== peer) continue
    if (event.type === 'circuit:open') openedAt ??= event.at
    if (event.type !== 'circuit:close' || openedAt === undefined) continue
    timesMs.push(event.at - openedAt)
    openedAt = undefined
  }
  return timesMs
}

function supplyLoss(events: readonly CircuitEvent[], tasks: readonly PeerTask[], blocks: number): number {
  const open = new Set<number>()
  let largest = 0
  for (const { type, peer } of events) {
    if (type === 'circuit:open') open.add(peer)
    else open.delete(peer)
    const reachable = new Set<number>()
    let isAllReachable = false
    for (const [index, { held }] of tasks.entries()) {
      if (open.has(index)) continue
      if (held === undefined) isAllReachable = true
      else for (const number of held) reachable.add(number)
    }
    if (!isAllReachable) largest = Math.max(largest, 1 - reachable.size / blocks)
  }
  return largest
}

/** How far the work is from being shared out as it is by another: 0 if it is as there, 2 if by nobody who does it there. */
export function shareError({ shares }: Figures, other: Figures): number {
  return shares.reduce((sum, share, peer) => sum + Math.abs(share - other.shares[peer]!), 0)
}
