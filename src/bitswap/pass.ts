import type { Outcome, Permit, RejectedError } from '../core/index.ts'

/**
 * What a stream was let through as: a CALL of its own, part of an `executeRequest` under way (RIDE), only to answer the peer
 * (ANSWER), or for whoever fetches blocks himself (TAKER).
 */
export class Pass {
  readonly kind: 'CALL' | 'RIDE' | 'ANSWER' | 'TAKER'
  /** Why nothing but answers may be sent. */
  readonly refusal: RejectedError | undefined
  /** Whether it came as far as opening the stream. */
  isUsed = false
  /** Whether the sender went on, and whatever he writes is delivered later or lost. */
  isTaken = false
  readonly #permit: Permit | undefined

  private constructor(kind: Pass['kind'], permit?: Permit, refusal?: RejectedError) {
    this.kind = kind
    this.#permit = permit
    this.refusal = refusal
  }

  static call(permit: Permit): Pass {
    return new Pass('CALL', permit)
  }

  static ride(): Pass {
    return new Pass('RIDE')
  }

  static taker(): Pass {
    return new Pass('TAKER')
  }

  static answer(refusal?: RejectedError): Pass {
    return new Pass('ANSWER', undefined, refusal)
  }

  /** Whether it would have been rejected, and was let through only because the mode is `observe`. */
  get wasRefused(): boolean {
    return this.#permit?.wasRefused === true
  }

  /** Settles the call. What is no call of its own has nothing to settle. */
  settle(outcome: Outcome): void {
    this.#permit?.settle(outcome)
  }
}

/**
 * Whether a message holds nothing but what the peer asked for. Helia hands the message it is about to send along with
 * the options for the stream.
 */
export function isReply(message: unknown): boolean {
  const { wantlist, blocks, blockPresences } = Object(message) as Record<string, unknown>
  return sizeOf(wantlist) === 0 && sizeOf(blocks) + sizeOf(blockPresences) > 0
}

/** Whether a message may be what its peer waits for. Of one that is not known yet that is assumed if the peer waits. */
export function mayAnswer(message: unknown, peerWants: number): boolean {
  return message === undefined ? peerWants > 0 : isReply(message)
}

function sizeOf(collection: unknown): number {
  return collection instanceof Map ? collection.size : Number.NaN
}
