import { circuitBadges, healthBadges, showBadges } from './badge.js'
import { element, setAttribute, setText } from './element.js'
import { count, dateAndTime, duration, milliseconds, percent, shortId, words } from './quantities.js'
import { createSparkline } from './sparkline.js'

/** @typedef {import('../wire/peers.ts').PeerWire} Peer */
/** @typedef {import('./badge.js').BadgeContent} BadgeContent */
/** @typedef {import('./latency-trails.js').LatencyTrails} LatencyTrails */
/** @typedef {import('./steering.js').Steering} Steering */

/**
 * A peer, and what of the page it is on its row needs.
 *
 * @typedef {object} ShownPeer
 * @property {Peer} peer
 * @property {number} pageRequests - of all peers of the page
 * @property {number} nowMs - by the clock of the server
 */

/**
 * What the table of peers shows.
 *
 * @param {LatencyTrails} trails
 * @param {Steering} steering
 * @returns {Array<import('./live-table.js').Column<ShownPeer>>}
 */
export function peerColumns(trails, steering) {
  return [
    { title: 'Peer', sort: 'peer', order: 'ascending', create: createPeer },
    { title: 'Circuit', sort: 'trouble', order: 'descending', create: createCircuit },
    { title: 'Health', create: createHealth },
    number('Success', ({ peer }) => percent(peer.success_rate), { sort: 'success_rate', order: 'ascending' }),
    {
      title: 'Latency',
      sort: 'response_time_ms',
      order: 'descending',
      isNumeric: true,
      create: cell => createLatency(cell, trails)
    },
    number('Requests', ({ peer }) => count(peer.requests), { sort: 'requests', order: 'descending' }),
    number('Failures', ({ peer }) => count(peer.failures), { sort: 'failures', order: 'descending' }),
    number('Share', ({ peer, pageRequests }) => share(peer.requests, pageRequests)),
    text('Last trip', ({ peer }) => (peer.last_trip === null ? '–' : words(peer.last_trip))),
    {
      title: 'Since',
      sort: 'since',
      order: 'descending',
      create: cell =>
        createTime(cell, ({ peer, nowMs }) => [peer.since, `${duration(nowMs - Date.parse(peer.since))} ago`])
    },
    {
      title: 'Next retry',
      create: cell =>
        createTime(cell, ({ peer: { next_retry_at }, nowMs }) =>
          next_retry_at === null ? undefined : [next_retry_at, waiting(Date.parse(next_retry_at) - nowMs)]
        )
    },
    {
      title: 'Action',
      create: cell => {
        const update = steering.createButton(cell)
        return ({ peer }) => update({ kind: 'peer', id: peer.peer, isIsolated: peer.is_isolated })
      }
    }
  ]
}

/** @param {HTMLElement} cell */
function createPeer(cell) {
  const details = element('button', { type: 'button', class: 'peer-id', 'aria-haspopup': 'dialog' })
  // Not among the stops of the keyboard, for that would be one more in each row: the details have this, too.
  const copy = element('button', { type: 'button', class: 'copy', tabindex: '-1' }, 'Copy')
  const link = element('span')
  cell.append(details, element('span', { class: 'under' }, link, copy))
  /** @param {ShownPeer} shown */
  return ({ peer }) => {
    setText(details, shortId(peer.peer))
    setAttribute(details, 'title', peer.peer)
    setAttribute(copy, 'aria-label', `Copy peer id ${peer.peer}`)
    setText(link, peer.is_connected ? 'connected' : 'not connected')
  }
}

/** @param {HTMLElement} cell */
function createCircuit(cell) {
  const badges = element('span', { class: 'badges' })
  cell.append(badges)
  /** @param {ShownPeer} shown */
  return ({ peer }) => showBadges(badges, circuitOf(peer))
}

/**
 * @param {Peer} peer
 * @returns {BadgeContent[]}
 */
export function circuitOf(peer) {
  /** @type {BadgeContent[]} */
  const badges = [circuitBadges[peer.circuit_state] ?? { tone: 'plain', text: peer.circuit_state }]
  if (peer.is_isolated) badges.push({ tone: 'held', text: 'Isolated' })
  if (peer.is_suspect) badges.push({ tone: 'warning', text: 'Suspect' })
  if (peer.is_demoted) badges.push({ tone: 'warning', text: 'Last resort' })
  if (peer.is_recovering)
    badges.push({ tone: 'warning', text: `Recovering, ${percent(peer.recovery_rate)} let through` })
  return badges
}

/** @param {HTMLElement} cell */
function createHealth(cell) {
  /** @param {ShownPeer} shown */
  return ({ peer }) =>
    showBadges(cell, [healthBadges[peer.health_status] ?? { tone: 'plain', text: peer.health_status }])
}

/**
 * @param {HTMLElement} cell
 * @param {LatencyTrails} trails
 */
function createLatency(cell, trails) {
  const value = element('span')
  const sparkline = createSparkline()
  cell.append(sparkline.element, value)
  /** @param {ShownPeer} shown */
  return ({ peer }) => {
    // It is 0 before the first answer.
    setText(value, peer.response_time_ms === 0 ? '–' : milliseconds(peer.response_time_ms))
    sparkline.update(trails.of(peer.peer))
  }
}

/**
 * @param {string} title
 * @param {(shown: ShownPeer) => string} read
 * @returns {import('./live-table.js').Column<ShownPeer>}
 */
function text(title, read) {
  return { title, create: cell => shown => setText(cell, read(shown)) }
}

/**
 * @param {string} title
 * @param {(shown: ShownPeer) => string} read
 * @param {{ sort: string, order: 'ascending' | 'descending' }} [order]
 * @returns {import('./live-table.js').Column<ShownPeer>}
 */
function number(title, read, order) {
  return { ...text(title, read), ...order, isNumeric: true }
}

/**
 * @param {HTMLElement} cell
 * @param {(shown: ShownPeer) => [at: string, text: string] | undefined} read
 * @returns {(shown: ShownPeer) => void}
 */
function createTime(cell, read) {
  const time = element('time')
  cell.append(time)
  return shown => {
    const [at, said] = read(shown) ?? []
    setText(time, said ?? '–')
    setAttribute(time, 'datetime', at)
    setAttribute(time, 'title', at && dateAndTime(at))
  }
}

/** @param {number} ms */
function waiting(ms) {
  return ms <= 0 ? 'due' : `in ${duration(ms)}`
}

/**
 * @param {number} requests
 * @param {number} all
 */
function share(requests, all) {
  return all === 0 ? '–' : percent(requests / all)
}
