import { circuitStates } from './breaker-table.ts'
import type { CircuitState, Counts } from './circuit-breaker.ts'
import type { HealthStatus } from './health-monitor.ts'
import { healthStatuses } from './health-table.ts'
import type { PeerStatus, StatusSource } from './status.ts'

/** What some of many targets are picked by: of each, only what is asked for is read, as it is at that moment. */
export type PeerGlance = Pick<
  PeerStatus,
  | 'key'
  | 'circuitState'
  | 'healthStatus'
  | 'isSuspect'
  | 'isRecovering'
  | 'counts'
  | 'successRate'
  | 'responseTimeMs'
  | 'since'
>

/** A glance at a slot; not to be kept, as the slot may be another target's later. */
export class SlotGlance implements PeerGlance {
  readonly #source: StatusSource
  readonly #slot: number

  constructor(source: StatusSource, slot: number) {
    this.#source = source
    this.#slot = slot
  }

  get key(): string {
    return this.#source.keys.key(this.#slot)!
  }

  /** An isolated target is shown as OPEN. */
  get circuitState(): CircuitState {
    const { table, nowMs } = this.#source
    return table.isIsolated(this.#slot) ? 'OPEN' : circuitStates[table.state(this.#slot, nowMs)]!
  }

  get healthStatus(): HealthStatus {
    const { health, nowMs } = this.#source
    return healthStatuses[health.status(this.#slot, nowMs)]!
  }

  get isSuspect(): boolean {
    return this.#source.table.isSuspect(this.#slot)
  }

  get isRecovering(): boolean {
    const { table, nowMs } = this.#source
    return table.ramp(this.#slot, nowMs) !== undefined
  }

  get counts(): Readonly<Counts> {
    return Object.freeze(this.#source.table.breakers.counts(this.#slot))
  }

  get successRate(): number {
    const { health, nowMs } = this.#source
    return health.successRate(this.#slot, nowMs)
  }

  get responseTimeMs(): number {
    return this.#source.health.responseTimeMs(this.#slot)
  }

  get since(): number {
    const { table, wallOffsetMs } = this.#source
    return table.breakers.since(this.#slot) + wallOffsetMs
  }
}
