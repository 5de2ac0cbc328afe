import { FAILURE, ManualClock, Protection, type ProtectionOptions, SUCCESS } from '../../src/core/index.ts'
import { seededRandom } from './random.ts'

/** A swarm in which nobody means harm: every call fails with the same chance, whatever happened before. */
export interface HonestSwarm {
  peers: number
  /** Chance that a call fails. */
  errorShare: number
  /** Calls to each peer per second. */
  callsPerSecond: number
  hours: number
  seed: number
  options?: Partial<ProtectionOptions>
}

export interface SwarmFigures {
  calls: number
  rejected: number
  /** Share of the calls that were rejected. */
  rejectedShare: number
  /** How often a circuit opened. */
  trips: number
}

/** So many calls are under way at once. */
const UNDER_WAY = 16

/** Lets a protected node call the peers of a swarm, in turn, in virtual time. */
export function simulate({
  peers,
  errorShare,
  callsPerSecond,
  hours,
  seed,
  options
}: HonestSwarm): SwarmFigures {
  const clock = new ManualClock()
  const chance = seededRandom(seed)
  const protection = new Protection(options, { clock, random: seededRandom(seed + 1) })
  let trips = 0
  protection.onEvent(({ type }) => {
    if (type === 'circuit:open') trips++
  })
  const { table } = protection
  const slots = Array.from({ length: peers }, (_, peer) => protection.slot(`peer ${peer}`, 0))
  const pauseMs = 1000 / (callsPerSecond * peers)
  const calls = Math.round(callsPerSecond * peers * hours * 3600)
  const tokens = new Int32Array(UNDER_WAY).fill(-1)
  let rejected = 0
  for (let call = 0; call < calls; call++) {
    clock.advance(pauseMs)
    const nowMs = clock.now()
    const place = call % UNDER_WAY
    const ended = tokens[place]!
    if (ended >= 0) {
      const outcome = chance() < errorShare ? FAILURE : SUCCESS
      table.settle(slots[(call - UNDER_WAY) % peers]!, ended, outcome, nowMs)
    }
    const token = table.admit(slots[call % peers]!, nowMs)
    tokens[place] = token
    if (token < 0) rejected++
  }
  protection.close()
  return { calls, rejected, rejectedShare: rejected / calls, trips }
}

/**
 * Share of the calls to an honest peer that are rejected in the long run, more exactly than a simulation of the
 * whole could tell, in which circuits hardly ever open: how often `failuresInARow` of its calls fail by chance,
 * times how many of its calls are rejected until it has recovered, on average over so many times.
 */
export function expectedRejectedShare(
  { errorShare, callsPerSecond, seed, options }: Omit<HonestSwarm, 'peers' | 'hours'>,
  failuresInARow: number,
  times: number
): number {
  const clock = new ManualClock()
  const chance = seededRandom(seed)
  const protection = new Protection(options, { clock, random: seededRandom(seed + 1) })
  const { table } = protection
  const slot = protection.slot('peer', 0)
  let rejected = 0
  const call = (failureShare: number): void => {
    const token = table.admit(slot, clock.now())
    clock.advance(1000 / callsPerSecond)
    if (token < 0) rejected++
    else table.settle(slot, token, chance() < failureShare ? FAILURE : SUCCESS, clock.now())
  }
  const isTripped = (): boolean => table.breakers.state(slot, clock.now()) !== 0
  const isRecovering = (): boolean => table.ramp(slot, clock.now()) !== undefined
  for (let time = 0; time < times; time++) {
    for (let failure = 0; failure < failuresInARow; failure++) call(1)
    while (isTripped() || isRecovering()) call(errorShare)
    // Long enough for the trips to be forgiven, so that each time is as the first.
    clock.advance(3_600_000)
  }
  protection.close()
  // The mean number of calls up to such a row, see "runs" in any book on renewal theory.
  const rowChance = errorShare ** failuresInARow
  const callsPerRow = (1 - rowChance) / (rowChance * (1 - errorShare))
  const rejectedPerRow = rejected / times
  return rejectedPerRow / (callsPerRow + rejectedPerRow)
}
