import { byId, element, setAttribute, setText } from './element.js'
import { count, duration, milliseconds, percent } from './quantities.js'
import { createSparkline } from './sparkline.js'

/** @typedef {import('../../telemetry/sources.ts').BitswapSnapshot} BitswapStatus */
/** @typedef {import('../wire/secure-channel.ts').StatsWire} Stats */
/** @typedef {import('../wire/history.ts').HistoryWire} History */
/** @typedef {Exclude<keyof History['points'][number], 'at'>} Trend */

/**
 * What a tile shows.
 *
 * @typedef {object} Total
 * @property {string} name
 * @property {string} value
 * @property {string} detail
 * @property {Trend} [trend] - which of the history is its own
 * @property {(value: number) => string} [format] - how the values of that are said
 */

/** Totals of both halves, and how they went. */
export class Totals {
  /** @type {Map<string, Tile>} */
  #tiles = new Map()

  /**
   * @param {BitswapStatus | undefined} bitswap
   * @param {Stats | undefined} stats
   * @param {History | undefined} history
   */
  show(bitswap, stats, history) {
    const totals = [...(bitswap ? bitswapTotals(bitswap) : []), ...(stats ? relayTotals(stats) : [])]
    for (const [name, tile] of this.#tiles) {
      if (totals.some(each => each.name === name)) continue
      tile.element.remove()
      this.#tiles.delete(name)
    }
    for (const total of totals) this.#tile(total.name).show(total, history)
    byId('no-totals').hidden = totals.length > 0
    showSpan(history)
  }

  /** @param {string} name */
  #tile(name) {
    const tile = this.#tiles.get(name) ?? new Tile(name)
    if (!this.#tiles.has(name)) byId('totals').append(tile.element)
    this.#tiles.set(name, tile)
    return tile
  }
}

/** One of them. */
class Tile {
  #value = element('dd', { class: 'value' })
  #detail = element('dd', { class: 'detail' })
  #trend = element('dd', { class: 'trend' })
  #sparkline = createSparkline()

  /** @param {string} name */
  constructor(name) {
    this.#trend.append(this.#sparkline.element)
    this.element = element(
      'div',
      { class: 'tile' },
      element('dt', {}, name),
      this.#value,
      this.#detail,
      this.#trend
    )
  }

  /**
   * @param {Total} total
   * @param {History | undefined} history
   */
  show({ name, value, detail, trend, format = count }, history) {
    setText(this.#value, value)
    setText(this.#detail, detail)
    const values = trend === undefined ? [] : (history?.points ?? []).map(point => point[trend])
    const known = values.filter(each => each !== null)
    this.#trend.hidden = known.length < 2
    if (known.length < 2) return
    const [least, most] = [format(Math.min(...known)), format(Math.max(...known))]
    this.#sparkline.update(values, `${name}: from ${least} to ${most}, last ${format(known.at(-1) ?? 0)}`)
    setAttribute(this.#trend, 'title', `${least} to ${most}`)
  }
}

/** @param {History | undefined} history */
function showSpan(history) {
  const note = byId('trends-note')
  note.hidden = history === undefined || history.points.length < 2
  if (history === undefined) return
  const { interval_ms, points } = history
  const span = duration(interval_ms * points.length)
  setText(note, `Lines show the last ${span}, in steps of ${duration(interval_ms)}.`)
}

/**
 * @param {BitswapStatus} status
 * @returns {Total[]}
 */
function bitswapTotals(status) {
  const { healthStats: health, circuitStates: circuits, totals, latency } = status
  const { answered = 0, failed = 0 } = totals.wants
  const heldBack = Object.values(status.rejections).reduce((sum, each) => sum + each, 0)
  return [
    {
      name: 'Peers',
      value: count(status.totalPeers),
      detail: `${count(health.healthyPeers)} healthy, ${count(health.degradedPeers)} degraded, ${count(health.unhealthyPeers)} unhealthy, ${count(health.unknownPeers)} unknown`,
      trend: 'peers'
    },
    {
      name: 'Open circuits',
      value: count(circuits.OPEN),
      detail: `${count(circuits.HALF_OPEN)} half-open, ${count(status.recoveringPeers)} recovering, ${count(status.suspectPeers)} suspect, ${count(status.isolatedPeers)} isolated`,
      trend: 'open_circuits'
    },
    {
      name: 'Wants answered',
      value: count(answered),
      detail: `${count(status.inFlight)} in flight`,
      trend: 'wants'
    },
    {
      name: 'Wants failed',
      value: count(failed),
      detail: answered + failed === 0 ? 'none asked yet' : `${percent(failed / (answered + failed))} of all`,
      trend: 'failed_wants'
    },
    {
      name: 'Answer time, median',
      value: latency.count === 0 ? '–' : milliseconds(latency.p50Ms),
      detail:
        latency.count === 0
          ? 'no answers yet'
          : `p95 ${milliseconds(latency.p95Ms)}, p99 ${milliseconds(latency.p99Ms)}`,
      trend: 'want_latency_ms',
      format: milliseconds
    },
    {
      name: 'Calls held back',
      value: count(heldBack),
      detail: status.mode === 'observe' ? 'would have been: the mode is observe' : 'since the start'
    }
  ]
}

/**
 * @param {Stats} stats
 * @returns {Total[]}
 */
function relayTotals(stats) {
  return [
    {
      name: 'Connections',
      value: count(stats.total_connections),
      detail: `${count(stats.total_reconnects)} reconnects`,
      trend: 'connections'
    },
    {
      name: 'Relay requests',
      value: count(stats.total_requests),
      detail: `${count(stats.total_retries)} retries, ${count(stats.total_hedges)} hedges`,
      trend: 'relay_requests'
    },
    {
      name: 'Relay errors',
      value: count(stats.total_errors),
      detail: `${percent(stats.error_rate)} of what ended`,
      trend: 'relay_errors'
    },
    {
      name: 'Relay latency, mean',
      value: stats.avg_latency_ms === 0 ? '–' : milliseconds(stats.avg_latency_ms),
      detail: 'since the start',
      trend: 'relay_latency_ms',
      format: milliseconds
    },
    { name: 'Failovers', value: count(stats.total_failovers), detail: 'since the start', trend: 'failovers' }
  ]
}
