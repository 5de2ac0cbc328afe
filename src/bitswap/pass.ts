import type { Outcome, RejectedError } from '../core/index.ts'

/**
 * What a stream was let through as: a CALL of its own, part of an `executeRequest` under way (RIDE), or only to answer
 * the peer (ANSWER).
 */
export interface Pass {
  readonly kind: 'CALL' | 'RIDE' | 'ANSWER'
  /** Why nothing but answers may be sent. */
  readonly refusal: RejectedError | undefined
  settle(outcome: Outcome): void
  /** Whether it came as far as opening the stream. */
  isUsed: boolean
  /** Whether the sender went on, and whatever he writes is delivered later or lost. */
  isTaken: boolean
}

/** One that is no call of its own: nothing is settled with it. */
export function uncountedPass(kind: Pass['kind'], refusal?: RejectedError): Pass {
  return { kind, refusal, settle: () => {}, isUsed: false, isTaken: false }
}

/**
 * Whether a message holds nothing but what the peer asked for. Helia hands the message it is about to send along with
 * the options for the stream.
 */
export function isReply(message: unknown): boolean {
  const { wantlist, blocks, blockPresences } = Object(message) as Record<string, unknown>
  return sizeOf(wantlist) === 0 && sizeOf(blocks) + sizeOf(blockPresences) > 0
}

function sizeOf(collection: unknown): number {
  return collection instanceof Map ? collection.size : Number.NaN
}
