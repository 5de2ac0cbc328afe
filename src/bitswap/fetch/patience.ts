import type { Ask } from './ask.ts'
import type { Supplier } from './supplier.ts'

// How long a peer is waited for. What others would do instead is no matter here: another is asked much earlier, by the hedge.

/** A peer has this long to answer, in ms: before it delivered anything, and later at least and at most (boxo: 7 s). */
const UNKNOWN_LIMIT_MS = 2_000
const MIN_LIMIT_MS = 250
const MAX_LIMIT_MS = 7_000

/** Nobody is given longer than this, in ms, however much deadlines are stretched: Bitcoin Core's maximum. */
const MAX_STRETCHED_MS = 64_000

/** A peer that sends less than this for each block it is waited for, in bytes per second, does not get on. */
const MIN_BYTES_PER_S = 1_024

/** However much a peer sends meanwhile, a block is not waited for longer than this, in ms. */
const MAX_WAIT_MS = 30_000

/** How long a peer has, in ms, to answer or to get on, until it is late: as long as it usually takes. */
export function limitMs({ pace }: Supplier): number {
  return pace.isKnown ? Math.min(Math.max(pace.usualMs, MIN_LIMIT_MS), MAX_LIMIT_MS) : UNKNOWN_LIMIT_MS
}

/** How much longer it has, in ms, until that is a fault. @param stretch - by how much it is in doubt whose fault it is, from 1 */
export function graceMs(limitMs: number, stretch: number): number {
  return Math.min(limitMs * stretch, MAX_STRETCHED_MS) - limitMs
}

/** Whether a peer has sent enough within its limit for all that it is waited for. @param nowMs - awake */
export function getsOn({ supplier, seenBytes, askedAtMs }: Ask, limitMs: number, nowMs: number): boolean {
  const dueBytes = (MIN_BYTES_PER_S * limitMs * supplier.waiting) / 1000
  return supplier.receivedBytes - seenBytes >= dueBytes && nowMs - askedAtMs < MAX_WAIT_MS
}
