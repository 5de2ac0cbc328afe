import { LatencyBuckets } from '../../core/latency-buckets.ts'
import { CredentialsError, NotAllowedError } from '../protocols/rpc.ts'
import { IdentityError } from '../tls/connect-error.ts'
import type { NodeClient } from './node-client.ts'

/** Primary nodes are asked as long as any of them can be. */
export type NodeRole = 'primary' | 'backup'

/** What people have to mend: who a node is, who we are to it, or what we may ask of it. */
type Refusal = IdentityError | CredentialsError | NotAllowedError

export function isRefusal(error: unknown): error is Refusal {
  return (
    error instanceof IdentityError || error instanceof CredentialsError || error instanceof NotAllowedError
  )
}

/** How much a new response time counts, against those before. */
const SMOOTHING = 0.2

/** A request under way at a node. */
export interface UnderWay {
  /** Whether it can as well be made of another node. */
  readonly isRepeatable: boolean
  abandon(reason: Error): void
}

/** One node, and what is known of it beside what the core keeps. */
export class RelayNode {
  readonly key: string
  readonly role: NodeRole
  readonly client: NodeClient
  readonly #underWay = new Set<UnderWay>()
  #onIdle: (() => void) | undefined
  /** Blocks of the best chain it knows, without the first; `undefined` before it was asked. */
  height: number | undefined
  /** It answers that it only starts. */
  isWarmingUp = false
  /** Why it cannot be asked until people mend it. */
  refusal: Refusal | undefined
  /** How long its answers took. */
  readonly answerTimes = new LatencyBuckets()
  /** Checks and requests that failed as one that is away would let them fail. */
  failures = 0
  /** Checks failed in a row, and requests that failed as one that is away would let them fail. */
  failuresInRow = 0
  /** What it last failed with. */
  lastError: unknown
  /** When it was last checked, in ms since 1970. */
  lastCheckMs: number | undefined
  #responseTimeMs = 0

  constructor(client: NodeClient, role: NodeRole) {
    this.key = client.endpoint
    this.client = client
    this.role = role
  }

  /** Smoothed time to an answer, in ms; 0 before the first. */
  get responseTimeMs(): number {
    return this.#responseTimeMs
  }

  /** How many requests are under way. */
  get inFlight(): number {
    return this.#underWay.size
  }

  /** How long one more request would take, in ms: those under way come first. */
  get expectedMs(): number {
    return this.#responseTimeMs * (this.inFlight + 1)
  }

  answered(tookMs: number): void {
    this.answerTimes.record(tookMs)
    const isFirst = this.#responseTimeMs === 0
    this.#responseTimeMs = isFirst
      ? tookMs
      : this.#responseTimeMs + SMOOTHING * (tookMs - this.#responseTimeMs)
  }

  /** It has answered: it is there. */
  isThere(): void {
    this.failuresInRow = 0
    this.isWarmingUp = false
    this.refusal = undefined
  }

  /** It has failed, as one that is away would. */
  failed(error: unknown): void {
    this.failures++
    this.failuresInRow++
    this.lastError = error
    this.refusal = isRefusal(error) ? error : undefined
  }

  begin(request: UnderWay): void {
    this.#underWay.add(request)
  }

  end(request: UnderWay): void {
    this.#underWay.delete(request)
    if (this.inFlight === 0) this.#onIdle?.()
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    if (this.inFlight > 0) await new Promise<void>(resolve => (this.#onIdle = resolve))
  }

  /** It is away: what others can do as well is left to them, and connections are made anew if nothing else is under way. */
  abandon(reason: Error): void {
    for (const request of [...this.#underWay]) if (request.isRepeatable) request.abandon(reason)
    if (this.inFlight === 0) this.client.disconnect()
  }
}
