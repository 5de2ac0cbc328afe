import { circuitStates } from './breaker-table.ts'
import type { CircuitState } from './circuit-breaker.ts'
import type { HealthStatus } from './health-monitor.ts'
import { healthStatuses } from './health-table.ts'
import type { ProtectionEventType } from './slot-events.ts'

interface EventOf<Type extends ProtectionEventType> {
  readonly type: Type
  readonly key: string
  /** When it happened, in ms since 1970. */
  readonly at: number
}

/** The circuit of a target changed its state. */
export interface CircuitEvent extends EventOf<'circuit:open' | 'circuit:half-open' | 'circuit:close'> {
  readonly from: CircuitState
  readonly to: CircuitState
}

/** A target's health is another than was last told. */
export interface HealthEvent extends EventOf<'health:change'> {
  readonly from: HealthStatus
  readonly to: HealthStatus
}

/** Gradual recovery began, ended well, or failed; or a target was isolated or released by hand. */
export type StageEvent = EventOf<
  'recovery:start' | 'recovery:complete' | 'recovery:relapse' | 'isolate' | 'release'
>

/** Something that happened to a target. */
export type ProtectionEvent = CircuitEvent | HealthEvent | StageEvent

/** An event as it is told, from what the table notes of it. */
export function protectionEvent(
  type: ProtectionEventType,
  key: string,
  from: number,
  to: number,
  at: number
): ProtectionEvent {
  switch (type) {
    case 'circuit:open':
    case 'circuit:half-open':
    case 'circuit:close':
      return Object.freeze({ type, key, at, from: circuitStates[from]!, to: circuitStates[to]! })
    case 'health:change':
      return Object.freeze({ type, key, at, from: healthStatuses[from]!, to: healthStatuses[to]! })
    default:
      return Object.freeze({ type, key, at })
  }
}
