import type { BitswapSnapshot } from '../sources.ts'
import type { Alert, BitswapAlertName } from './alert.ts'
import type { AlertSetup } from './alert-options.ts'
import { EventWindow } from './event-window.ts'
import { atOnce, lasting } from './limits.ts'
import { Watch } from './watch.ts'

/** Watches a node and its peers. */
export class BitswapWatch {
  readonly #window: EventWindow
  readonly #watch: Watch<BitswapAlertName>

  constructor(setup: AlertSetup) {
    const { bitswap } = setup
    this.#window = new EventWindow(setup.windowMs, setup.minEvents)
    this.#watch = new Watch('bitswap', {
      wantFailureRate: lasting(bitswap.wantFailureRate, setup),
      averageAnswerTime: lasting(bitswap.averageAnswerMs, setup),
      openCircuitShare: lasting(bitswap.openCircuitShare, setup),
      consecutiveWantFailures: atOnce(bitswap.consecutiveFailures, setup)
    })
  }

  get firing(): Iterable<Alert> {
    return this.#watch.firing
  }

  /** @returns what is told as other than before */
  look({ totals, circuitStates, totalPeers }: BitswapSnapshot, nowMs: number, wallTimeMs: number): Alert[] {
    const { answered = 0, failed = 0 } = totals.wants
    const { sumMs } = totals.answerTimes
    const { failureRate, meanMs } = this.#window.look({ successes: answered, failures: failed, sumMs }, nowMs)
    const values = {
      wantFailureRate: failureRate,
      averageAnswerTime: meanMs,
      openCircuitShare: totalPeers > 0 ? circuitStates.OPEN / totalPeers : undefined,
      consecutiveWantFailures: totals.consecutiveWantFailures
    }
    return this.#watch.look(values, nowMs, wallTimeMs)
  }
}
