import type { CircuitState, LatencyCounts } from '../../core/index.ts'
import type { Alert, EndpointAlertName } from './alert.ts'
import type { AlertSetup } from './alert-options.ts'
import { EventWindow } from './event-window.ts'
import { atOnce, lasting } from './limits.ts'
import { Watch } from './watch.ts'

/** What is known of an endpoint. */
export interface EndpointFindings {
  readonly answerTimes: LatencyCounts
  readonly totalErrors: number
  readonly consecutiveFails: number
  readonly circuitState: CircuitState
}

/** Watches an endpoint. */
export class EndpointWatch {
  readonly #window: EventWindow
  readonly #watch: Watch<EndpointAlertName>

  constructor(endpoint: string, setup: AlertSetup) {
    this.#window = new EventWindow(setup.windowMs, setup.minEvents)
    this.#watch = new Watch(endpoint, {
      connectionFailureRate: lasting(setup.connectionFailureRate, setup),
      averageLatency: lasting(setup.averageLatencyMs, setup),
      circuitBreakerOpen: atOnce(setup.circuitBreakerOpen && 1, setup),
      consecutiveFailures: atOnce(setup.consecutiveFailures, setup)
    })
  }

  get firing(): Iterable<Alert> {
    return this.#watch.firing
  }

  /** @returns what is told as other than before */
  look(found: EndpointFindings, nowMs: number, wallTimeMs: number): Alert[] {
    const { answerTimes, totalErrors } = found
    const counted = { successes: answerTimes.count, failures: totalErrors, sumMs: answerTimes.sumMs }
    const { failureRate, meanMs } = this.#window.look(counted, nowMs)
    const values = {
      connectionFailureRate: failureRate,
      averageLatency: meanMs,
      circuitBreakerOpen: found.circuitState === 'OPEN' ? 1 : 0,
      consecutiveFailures: found.consecutiveFails
    }
    return this.#watch.look(values, nowMs, wallTimeMs)
  }
}
