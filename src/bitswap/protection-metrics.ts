import type { Counter, CounterGroup, Histogram, Metrics } from '@libp2p/interface'
import type { LatencyCounts, OverallStatus, ProtectionEventType, RejectionReason } from '../core/index.ts'
import { LatencyBuckets } from '../core/latency-buckets.ts'
import type { Overrun } from './inbound-guard.ts'
import type { WantResult } from './want-result.ts'

/** What has happened since the node was made, of all peers together. Plain, frozen data. */
export interface BitswapTotals {
  /** Wants sent to peers, by stock Bitswap or `getBlock`, by what came of them. */
  readonly wants: Readonly<Record<WantResult, number>>
  /** Wants that failed since one was last answered. */
  readonly consecutiveWantFailures: number
  /** Messages and calls held back, by the reason. */
  readonly heldBack: Readonly<Record<RejectionReason, number>>
  /** Changes of circuits, recoveries and health. */
  readonly events: Readonly<Record<ProtectionEventType, number>>
  /** Streams of peers that asked or sent too much. */
  readonly inboundRefusals: Readonly<Record<Overrun, number>>
  /** Peers disconnected since they went on although they were refused. */
  readonly inboundDisconnects: number
  /** How long it took until Bitswap streams were open. */
  readonly openTimes: LatencyCounts
  /** How long it took from wants to their answers. */
  readonly answerTimes: LatencyCounts
}

/** Counts what happens, once: for the status, and for the node's own metrics. Totals only, never a peer. */
export class ProtectionMetrics {
  readonly #wantCounts: Record<WantResult, number> = { answered: 0, failed: 0, ignored: 0 }
  #consecutiveWantFailures = 0
  readonly #heldBack: Record<RejectionReason, number> = {
    OPEN: 0,
    HALF_OPEN_FULL: 0,
    RECOVERING: 0,
    ISOLATED: 0,
    IN_FLIGHT_FULL: 0,
    SUSPECT: 0
  }
  readonly #eventCounts: Record<ProtectionEventType, number> = {
    'circuit:open': 0,
    'circuit:half-open': 0,
    'circuit:close': 0,
    'recovery:start': 0,
    'recovery:complete': 0,
    'recovery:relapse': 0,
    'health:change': 0,
    isolate: 0,
    release: 0
  }
  readonly #refusals: Record<Overrun, number> = { STREAMS: 0, WANTS: 0, BYTES: 0, UNREADABLE: 0 }
  #disconnects = 0
  readonly #openTimes = new LatencyBuckets()
  readonly #answerTimes = new LatencyBuckets()
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

  totals(): BitswapTotals {
    return Object.freeze({
      wants: Object.freeze({ ...this.#wantCounts }),
      consecutiveWantFailures: this.#consecutiveWantFailures,
      heldBack: Object.freeze({ ...this.#heldBack }),
      events: Object.freeze({ ...this.#eventCounts }),
      inboundRefusals: Object.freeze({ ...this.#refusals }),
      inboundDisconnects: this.#disconnects,
      openTimes: this.#openTimes.read(),
      answerTimes: this.#answerTimes.read()
    })
  }

  noteWant(result: WantResult, elapsedMs: number): void {
    this.#wantCounts[result]++
    this.#wants?.increment({ [result]: true })
    if (result === 'failed') this.#consecutiveWantFailures++
    if (result !== 'answered') return
    this.#consecutiveWantFailures = 0
    this.#answerTimes.record(elapsedMs)
    this.#answerSeconds?.observe(elapsedMs / 1000)
  }

  noteRejection(reason: RejectionReason): void {
    this.#heldBack[reason]++
    this.#rejections?.increment({ [reason.toLowerCase()]: true })
  }

  noteInboundRefusal(overrun: Overrun): void {
    this.#refusals[overrun]++
    this.#inboundRefusals?.increment({ [overrun.toLowerCase()]: true })
  }

  noteShutOut(): void {
    this.#disconnects++
    this.#shutOuts?.increment()
  }

  noteEvent(type: ProtectionEventType): void {
    this.#eventCounts[type]++
    this.#events?.increment({ [type.replaceAll(/[:-]/g, '_')]: true })
  }

  noteOpen(elapsedMs: number): void {
    this.#openTimes.record(elapsedMs)
    this.#openSeconds?.observe(elapsedMs / 1000)
  }
}
