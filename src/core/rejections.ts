import { answerCodes, circuitStates } from './breaker-table.ts'
import type { Rejection, RejectionReason } from './errors.ts'
import type { ProtectionTable } from './protection-table.ts'

/** What `admit` answers a call that is rejected: from -1 down without a gap, what the breaker answers first. */
export const rejectionCodes = Object.freeze({
  REJECTED_OPEN: answerCodes.REJECTED_OPEN,
  REJECTED_HALF_OPEN_FULL: answerCodes.REJECTED_HALF_OPEN_FULL,
  REJECTED_RECOVERING: -3,
  REJECTED_ISOLATED: -4,
  REJECTED_IN_FLIGHT_FULL: -5,
  REJECTED_SUSPECT: -6
})

/** The answer -1 is the first of these, -2 the second, and so on. */
const rejectionReasons: readonly RejectionReason[] = Object.freeze([
  'OPEN',
  'HALF_OPEN_FULL',
  'RECOVERING',
  'ISOLATED',
  'IN_FLIGHT_FULL',
  'SUSPECT'
])

/** Counts of rejections, that of the answer -1 first. */
export function noRejections(): Float64Array {
  return new Float64Array(rejectionReasons.length)
}

export function rejectionsByReason(counts: Float64Array): Readonly<Record<RejectionReason, number>> {
  return Object.freeze(
    Object.fromEntries(rejectionReasons.map((reason, index) => [reason, counts[index]!]))
  ) as Readonly<Record<RejectionReason, number>>
}

/** What a negative answer of `admit` means for the caller. */
export function readRejection(
  table: ProtectionTable,
  slot: number,
  key: string,
  answer: number,
  nowMs: number
): Rejection {
  return {
    key,
    reason: rejectionReasons[-answer - 1]!,
    state: table.isIsolated(slot) ? 'OPEN' : circuitStates[table.state(slot, nowMs)]!,
    retryAfterMs: answer === rejectionCodes.REJECTED_OPEN ? table.retryAfterMs(slot, nowMs) : 0
  }
}
