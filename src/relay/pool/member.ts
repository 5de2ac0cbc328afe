import { RingElement } from '../../core/ring.ts'
import type { Channel } from '../channel/channel.ts'
import type { PoolOptions } from './pool-options.ts'
import type { ConnectionStatus } from './pool-status.ts'

/** A channel, and what its pool knows of it. While it is idle it stands in the ring of those. */
export class Member extends RingElement {
  readonly channel: Channel
  /** How often the place that it takes was lost before. */
  readonly reconnects: number
  readonly #openedAtMs: number
  readonly #maxAgeMs: number
  /** Whether it is closed since there are enough others. */
  isSurplus = false
  /** Since when nobody uses it, in ms; `undefined` while somebody does. */
  idleSinceMs: number | undefined

  constructor(channel: Channel, reconnects: number, openedAtMs: number, maxAgeMs: number) {
    super()
    this.channel = channel
    this.reconnects = reconnects
    this.#openedAtMs = openedAtMs
    this.#maxAgeMs = maxAgeMs
  }

  ageMs(nowMs: number): number {
    return nowMs - this.#openedAtMs
  }

  /** Why it is not to be used again; `undefined` if it is. */
  problem({ maxLatencyMs }: PoolOptions, nowMs: number): string | undefined {
    if (this.ageMs(nowMs) >= this.#maxAgeMs) return 'it is too old'
    return this.channel.p95LatencyMs > maxLatencyMs ? 'it answers too slowly' : undefined
  }

  status({ maxLatencyMs }: PoolOptions): ConnectionStatus {
    const { id, lastActivityMs, errors, p95LatencyMs } = this.channel
    return Object.freeze({
      connectionId: id,
      lastActivity: lastActivityMs,
      reconnects: this.reconnects,
      errors,
      p95LatencyMs,
      isHealthy: p95LatencyMs <= maxLatencyMs,
      isIdle: this.idleSinceMs !== undefined
    })
  }
}
