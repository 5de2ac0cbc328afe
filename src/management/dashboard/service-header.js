import { announce } from './announcer.js'
import { showBadges } from './badge.js'
import { byId, setText } from './element.js'
import { words } from './quantities.js'

/** @typedef {import('../wire/enhanced-status.ts').EnhancedStatusWire} Status */
/** @typedef {import('./badge.js').BadgeContent} BadgeContent */

/** @type {Readonly<Record<string, BadgeContent>>} */
const statusBadges = {
  ok: { tone: 'good', text: 'OK' },
  degraded: { tone: 'bad', text: 'Degraded' },
  draining: { tone: 'warning', text: 'Draining' }
}

/** @type {Readonly<Record<string, BadgeContent>>} */
const modeBadges = {
  enforce: { tone: 'good', text: 'Enforce' },
  observe: { tone: 'warning', text: 'Observe only' },
  off: { tone: 'held', text: 'Off' }
}

let last = ''

/**
 * Shows how the service is as a whole.
 *
 * @param {Status} status
 * @param {number} alerts - how many are active
 */
export function showService({ service, status, version, uptime, bitswap }, alerts) {
  const title = `${service} dashboard`
  if (document.title !== title) document.title = title
  setText(byId('service'), service)
  setText(byId('fact-version'), version)
  setText(byId('fact-uptime'), uptime)
  showBadges(byId('fact-status'), [statusBadges[status] ?? { tone: 'plain', text: words(status) }])
  const mode = bitswap?.mode
  showBadges(byId('fact-mode'), mode === undefined ? [] : [modeBadges[mode] ?? { tone: 'plain', text: mode }])
  if (mode === undefined) setText(byId('fact-mode'), 'no libp2p node')
  byId('facts').hidden = false
  const said = sentence(status, bitswap?.open_circuits, alerts)
  // What is so from the beginning is on the page.
  if (last !== '' && said !== last) announce(said)
  last = said
}

/**
 * @param {string} status
 * @param {number | undefined} openCircuits
 * @param {number} alerts
 */
function sentence(status, openCircuits, alerts) {
  const circuits = openCircuits === undefined ? '' : ` Open circuits: ${openCircuits}.`
  return `Status ${status}.${circuits} Active alerts: ${alerts}.`
}
