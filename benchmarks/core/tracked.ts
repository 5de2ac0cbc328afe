import type { Clock, ManualClock, Protection, ProtectionOptions } from 'bitswap-protection/core'
import { peerId } from './subjects.ts'

// A protection that keeps records of very many targets.

/** As many as a node that is connected to all of a large network. */
export const TARGETS = 100_000

/** Failures in a row that open a circuit by default. */
export const FAILURES_TO_TRIP = 5

export const SUCCESS = 0
export const FAILURE = 1

export interface Tracked<Time extends Clock = ManualClock> {
  readonly protection: Protection
  readonly clock: Time
  /** Of all {@link TARGETS}; none of them has a record yet. */
  readonly keys: readonly string[]
}

export async function createTracked(options?: Partial<ProtectionOptions>): Promise<Tracked> {
  const { ManualClock } = await import('bitswap-protection/core')
  return createTrackedOn(new ManualClock(), options)
}

/** The same, on a clock of the caller's. */
export async function createTrackedOn<Time extends Clock>(
  clock: Time,
  options: Partial<ProtectionOptions> = {}
): Promise<Tracked<Time>> {
  const { Protection } = await import('bitswap-protection/core')
  const protection = new Protection({ maxTargets: TARGETS, maxEjectedShare: 1, ...options }, { clock })
  return { protection, clock, keys: Array.from({ length: TARGETS }, (_, target) => peerId(target)) }
}

/** Calls each of the targets so many times. */
export function callEach(
  { protection, clock }: Tracked<Clock>,
  keys: readonly string[],
  outcome: number,
  times = 1
): void {
  const { table } = protection
  const now = clock.now()
  for (const key of keys) {
    const slot = protection.slot(key, now)
    for (let time = 0; time < times; time++) table.settle(slot, table.admit(slot, now), outcome, now)
  }
}
