import { circuitBadges, showBadges } from './badge.js'
import { byId, element, setText } from './element.js'
import { LatencyTrails } from './latency-trails.js'
import { createHeaders, LiveTable } from './live-table.js'
import { count, milliseconds, words } from './quantities.js'
import { createSparkline } from './sparkline.js'

/** @typedef {import('../wire/secure-channel.ts').SecureChannelStatusWire} SecureChannelStatus */
/** @typedef {SecureChannelStatus['channels'][number]['nodes'][number]} Node */
/** @typedef {SecureChannelStatus['pools'][number]} Pool */
/** @typedef {import('./badge.js').BadgeContent} BadgeContent */

/**
 * A node of a channel, or a pool. What is not known of it is `undefined`.
 *
 * @typedef {object} Endpoint
 * @property {string} key
 * @property {string} endpoint
 * @property {string} role
 * @property {BadgeContent[]} state
 * @property {BadgeContent | undefined} circuit
 * @property {BadgeContent} health
 * @property {number | null | undefined} height
 * @property {number} latencyMs
 * @property {number} inFlight
 * @property {number} errors
 * @property {string | null | undefined} lastError
 * @property {boolean | undefined} isIsolated - `undefined` if it cannot be
 */

const HEALTHY = /** @type {const} */ ({ tone: 'good', text: 'Healthy' })
const UNHEALTHY = /** @type {const} */ ({ tone: 'bad', text: 'Unhealthy' })

/** @type {Readonly<Record<string, BadgeContent['tone']>>} */
const stateTones = { up: 'good', suspect: 'warning', 'warming-up': 'warning', isolated: 'held' }

/** Nodes of channels, and pools. */
export class EndpointTable {
  #trails = new LatencyTrails()
  #rows

  /** @param {import('./steering.js').Steering} steering */
  constructor(steering) {
    const table = byId('endpoints', HTMLTableElement)
    const columns = endpointColumns(this.#trails, steering)
    createHeaders(/** @type {HTMLTableSectionElement} */ (table.tHead), columns)
    this.#rows = new LiveTable(
      /** @type {HTMLTableSectionElement} */ (table.tBodies[0]),
      columns,
      ({ key }) => key
    )
  }

  /** @param {SecureChannelStatus} status */
  show(status) {
    const endpoints = [...status.channels.flatMap(nodesOf), ...status.pools.map(ofPool)]
    for (const { key, latencyMs } of endpoints) this.#trails.note(key, latencyMs)
    byId('endpoints-region').hidden = endpoints.length === 0
    byId('no-endpoints').hidden = endpoints.length > 0
    this.#showChannels(status)
    if (!this.#rows.hasSelection) this.#rows.update(endpoints)
  }

  /** @param {SecureChannelStatus} status */
  #showChannels({ channels }) {
    const lines = channels.map((channel, index) => {
      const parts = [channel.is_healthy ? 'healthy' : 'unhealthy']
      if (channel.is_failed_over) parts.push('failed over to backup nodes')
      if (channel.is_draining) parts.push('draining')
      parts.push(`height ${channel.height === null ? 'unknown' : count(channel.height)}`)
      parts.push(`${count(channel.in_flight)} in flight`)
      return `Channel ${index + 1}: ${parts.join(', ')}`
    })
    const list = byId('channels')
    if ([...list.children].map(({ textContent }) => textContent).join('\n') === lines.join('\n')) return
    list.replaceChildren(...lines.map(line => element('li', {}, line)))
  }
}

/**
 * @param {SecureChannelStatus['channels'][number]} channel
 * @param {number} index
 * @returns {Endpoint[]}
 */
function nodesOf({ nodes }, index) {
  return nodes.map(node => ({
    key: `channel ${index} ${node.endpoint}`,
    endpoint: node.endpoint,
    role: words(node.role),
    state: stateOf(node),
    circuit: circuitBadges[node.circuit_state],
    health: node.is_healthy ? HEALTHY : UNHEALTHY,
    height: node.height,
    latencyMs: node.response_time_ms,
    inFlight: node.in_flight,
    errors: node.total_errors,
    lastError: node.last_error,
    isIsolated: node.state === 'isolated'
  }))
}

/**
 * @param {Node} node
 * @returns {BadgeContent[]}
 */
function stateOf({ state, is_lagging }) {
  /** @type {BadgeContent[]} */
  const badges = [{ tone: stateTones[state] ?? 'bad', text: words(state) }]
  if (is_lagging) badges.push({ tone: 'warning', text: 'Behind' })
  return badges
}

/**
 * @param {Pool} pool
 * @returns {Endpoint}
 */
function ofPool(pool) {
  return {
    key: `pool ${pool.endpoint}`,
    endpoint: pool.endpoint,
    role: 'Pool',
    state: poolStateOf(pool),
    circuit: circuitBadges[pool.circuit_state],
    health: pool.is_healthy ? HEALTHY : UNHEALTHY,
    height: undefined,
    latencyMs: pool.p95_latency_ms,
    inFlight: pool.active_connections - pool.idle_connections,
    errors: pool.total_errors,
    lastError: undefined,
    isIsolated: undefined
  }
}

/**
 * @param {Pool} pool
 * @returns {BadgeContent[]}
 */
function poolStateOf({ active_connections, max_connections, waiting, is_draining }) {
  /** @type {BadgeContent[]} */
  const badges = [{ tone: 'plain', text: `${count(active_connections)} of ${count(max_connections)} open` }]
  if (waiting > 0) badges.push({ tone: 'warning', text: `${count(waiting)} waiting` })
  if (is_draining) badges.push({ tone: 'held', text: 'Draining' })
  return badges
}

/**
 * @param {LatencyTrails} trails
 * @param {import('./steering.js').Steering} steering
 * @returns {Array<import('./live-table.js').Column<Endpoint>>}
 */
function endpointColumns(trails, steering) {
  return [
    text('Endpoint', ({ endpoint }) => endpoint),
    text('Role', ({ role }) => role),
    {
      title: 'State',
      create:
        cell =>
        ({ state }) =>
          showBadges(cell, state)
    },
    {
      title: 'Circuit',
      create:
        cell =>
        ({ circuit }) => {
          if (circuit === undefined) setText(cell, '–')
          else showBadges(cell, [circuit])
        }
    },
    {
      title: 'Health',
      create:
        cell =>
        ({ health }) =>
          showBadges(cell, [health])
    },
    number('Height', ({ height }) => (typeof height === 'number' ? count(height) : '–')),
    { title: 'Latency', isNumeric: true, create: cell => createLatency(cell, trails) },
    number('In flight', ({ inFlight }) => count(inFlight)),
    number('Errors', ({ errors }) => count(errors)),
    { title: 'Last error', create: createLastError },
    { title: 'Action', create: cell => createAction(cell, steering) }
  ]
}

/**
 * @param {HTMLElement} cell
 * @param {LatencyTrails} trails
 */
function createLatency(cell, trails) {
  const value = element('span')
  const sparkline = createSparkline()
  cell.append(sparkline.element, value)
  /** @param {Endpoint} endpoint */
  return ({ key, latencyMs, role }) => {
    const said = latencyMs === 0 ? '–' : milliseconds(latencyMs)
    setText(value, role === 'Pool' && latencyMs > 0 ? `${said} (p95)` : said)
    sparkline.update(trails.of(key))
  }
}

/** @param {HTMLElement} cell */
function createLastError(cell) {
  const said = element('span', { class: 'last-error' })
  cell.append(said)
  /** @param {Endpoint} endpoint */
  return ({ lastError }) => {
    setText(said, lastError ?? '–')
    said.title = lastError ?? ''
  }
}

/**
 * @param {HTMLElement} cell
 * @param {import('./steering.js').Steering} steering
 * @returns {(endpoint: Endpoint) => void}
 */
function createAction(cell, steering) {
  /** @type {ReturnType<import('./steering.js').Steering['createButton']> | undefined} */
  let update
  return ({ endpoint, isIsolated }) => {
    if (isIsolated === undefined) return setText(cell, 'Not for pools')
    update ??= steering.createButton(cell)
    update({ kind: 'endpoint', id: endpoint, isIsolated })
  }
}

/**
 * @param {string} title
 * @param {(endpoint: Endpoint) => string} read
 * @returns {import('./live-table.js').Column<Endpoint>}
 */
function text(title, read) {
  return { title, create: cell => endpoint => setText(cell, read(endpoint)) }
}

/**
 * @param {string} title
 * @param {(endpoint: Endpoint) => string} read
 * @returns {import('./live-table.js').Column<Endpoint>}
 */
function number(title, read) {
  return { ...text(title, read), isNumeric: true }
}
