import type { Counter, CounterGroup, Histogram, Metrics } from '@libp2p/interface'
import type { OverallStatus, RejectionReason } from '../core/index.ts'
import type { Overrun } from './inbound-guard.ts'
import type { WantResult } from './peer-judge.ts'

/** What the node's own metrics show of the protection: totals only, never a peer. */
export class ProtectionMetrics {
  readonly #wants: CounterGroup | undefined
  readonly #rejections: CounterGroup | undefined
  readonly #inboundRefusals: CounterGroup | undefined
  readonly #shutOuts: Counter | undefined
  readonly #events: CounterGroup | undefined
  readonly #openSeconds: Histogram | undefined
  readonly #answerSeconds: Histogram | undefined

  constructor(metrics: Metrics | undefined, status: () => OverallStatus) {
    metrics?.registerMetricGroup('bitswap_protection_breakers', {
      label: 'state',
      help: 'Circuits in each state',
      calculate: () => {
        const { CLOSED, OPEN, HALF_OPEN } = status().circuitStates
        return { closed: CLOSED, open: OPEN, half_open: HALF_OPEN }
      }
    })
    metrics?.registerMetricGroup('bitswap_protection_peers', {
      label: 'health',
      help: 'Peers of each health',
      calculate: () => {
        const { healthyPeers, degradedPeers, unhealthyPeers, unknownPeers } = status().healthStats
        return {
          healthy: healthyPeers,
          degraded: degradedPeers,
          unhealthy: unhealthyPeers,
          unknown: unknownPeers
        }
      }
    })
    this.#wants = metrics?.registerCounterGroup('bitswap_protection_wants_total', {
      label: 'result',
      help: 'Blocks asked of a peer, by what came of it'
    })
    this.#rejections = metrics?.registerCounterGroup('bitswap_protection_rejections_total', {
      label: 'reason',
      help: 'Messages and calls held back'
    })
    this.#inboundRefusals = metrics?.registerCounterGroup('bitswap_protection_inbound_refusals_total', {
      label: 'reason',
      help: 'Streams of peers that asked or sent too much'
    })
    this.#shutOuts = metrics?.registerCounter('bitswap_protection_inbound_disconnects_total', {
      help: 'Peers disconnected since they went on although they were refused'
    })
    this.#events = metrics?.registerCounterGroup('bitswap_protection_events_total', {
      label: 'event',
      help: 'Changes of circuits, recoveries and health'
    })
    this.#openSeconds = metrics?.registerHistogram('bitswap_protection_stream_open_seconds', {
      help: 'Time until a Bitswap stream was open'
    })
    this.#answerSeconds = metrics?.registerHistogram('bitswap_protection_answer_seconds', {
      help: 'Time from a want to its answer'
    })
  }

  noteWant(result: WantResult, elapsedMs: number): void {
    this.#wants?.increment({ [result]: true })
    if (result === 'answered') this.#answerSeconds?.observe(elapsedMs / 1000)
  }

  noteRejection(reason: RejectionReason): void {
    this.#rejections?.increment({ [reason.toLowerCase()]: true })
  }

  noteInboundRefusal(overrun: Overrun): void {
    this.#inboundRefusals?.increment({ [overrun.toLowerCase()]: true })
  }

  noteShutOut(): void {
    this.#shutOuts?.increment()
  }

  noteEvent(type: string): void {
    this.#events?.increment({ [type.replaceAll(/[:-]/g, '_')]: true })
  }

  noteOpen(elapsedMs: number): void {
    this.#openSeconds?.observe(elapsedMs / 1000)
  }
}
