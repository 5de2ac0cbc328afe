import { type Clock, systemClock } from '../../core/index.ts'
import type { TelemetrySources } from '../sources.ts'
import { type HistoryOptions, resolveHistoryOptions } from './history-options.ts'
import { readTotals, type Totals } from './totals.ts'

/** How things stood at one time, and what had come about since the time before. Plain, frozen data. */
export interface HistoryPoint {
  /** In ms since 1970. */
  readonly at: number
  /** Peers that are known, and those whose circuit is OPEN. */
  readonly peers: number
  readonly openCircuits: number
  /** Wants that were answered, and those that were not, since the point before. */
  readonly wants: number
  readonly failedWants: number
  /** Mean time of the answers to wants; `undefined` if there were none. */
  readonly wantLatencyMs: number | undefined
  /** Connections to nodes that stand. */
  readonly connections: number
  /** What nodes answered, and what went wrong, since the point before. */
  readonly relayRequests: number
  readonly relayErrors: number
  /** Mean time of the answers of nodes; `undefined` if there were none. */
  readonly relayLatencyMs: number | undefined
  readonly failovers: number
}

/** What a history can be given instead of what it takes itself. */
export interface HistoryComponents {
  readonly clock?: Clock
  /** Told of what those that are looked at throw. */
  readonly onError?: (error: unknown) => void
}

/** Remembers how nodes, pools and channels did: a bounded number of points, the oldest of which go. */
export class History implements Disposable {
  readonly #sources: TelemetrySources
  readonly #options: Readonly<HistoryOptions>
  readonly #clock: Clock
  readonly #onError: (error: unknown) => void
  readonly #points: HistoryPoint[] = []
  #before: Totals | undefined
  #cancel: (() => void) | undefined

  /** @throws InvalidOptionError */
  constructor(
    sources: TelemetrySources,
    options?: Partial<HistoryOptions>,
    { clock = systemClock, onError = () => {} }: HistoryComponents = {}
  ) {
    this.#sources = sources
    this.#options = resolveHistoryOptions(options)
    this.#clock = clock
    this.#onError = onError
  }

  /** How much time a point stands for, in ms. */
  get intervalMs(): number {
    return this.#options.intervalMs
  }

  /** Looks at all now, and every `intervalMs` from now on. */
  start(): void {
    if (this.#cancel !== undefined) return
    this.#look()
    this.#cancel = this.#clock.schedule(() => {
      this.#cancel = undefined
      this.start()
    }, this.#options.intervalMs)
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  [Symbol.dispose](): void {
    this.stop()
  }

  /** The last points, the oldest first. @param max - how many at most */
  getPoints(max = this.#options.maxPoints): readonly HistoryPoint[] {
    return max > 0 ? this.#points.slice(-max) : []
  }

  #look(): void {
    try {
      const totals = readTotals(this.#sources)
      const before = this.#before
      this.#before = totals
      // What came about before it was looked at belongs to no interval.
      if (before !== undefined) this.#add(pointOf(totals, before, this.#clock.wallTime()))
    } catch (error) {
      this.#onError(error)
    }
  }

  #add(point: HistoryPoint): void {
    this.#points.push(point)
    if (this.#points.length > this.#options.maxPoints) this.#points.shift()
  }
}

function pointOf(totals: Totals, before: Totals, at: number): HistoryPoint {
  const since = (name: keyof Totals): number => {
    const more = totals[name] - before[name]
    // Whoever counts has begun anew.
    return more < 0 ? totals[name] : more
  }
  const mean = (sumMs: number, count: number): number | undefined => (count > 0 ? sumMs / count : undefined)
  const wants = since('wants')
  const relayRequests = since('relayRequests')
  return Object.freeze({
    at,
    peers: totals.peers,
    openCircuits: totals.openCircuits,
    wants,
    failedWants: since('failedWants'),
    wantLatencyMs: mean(since('wantSumMs'), wants),
    connections: totals.connections,
    relayRequests,
    relayErrors: since('relayErrors'),
    relayLatencyMs: mean(since('relaySumMs'), relayRequests),
    failovers: since('failovers')
  })
}
