import { alertText } from './alert-text.js'
import { words } from './quantities.js'

/** @typedef {import('./badge.js').Tone} Tone */

/**
 * Something that happened, in words.
 *
 * @typedef {object} Happening
 * @property {number} at - ms since 1970
 * @property {Tone} tone
 * @property {string} what
 * @property {string} subject - a peer, or `host:port`
 * @property {string} detail
 */

/** @type {Readonly<Record<string, [Tone, string]>>} */
const kinds = {
  'circuit:open': ['bad', 'Circuit opened'],
  'circuit:half-open': ['warning', 'Circuit half-open'],
  'circuit:close': ['good', 'Circuit closed'],
  'recovery:start': ['plain', 'Recovery began'],
  'recovery:complete': ['good', 'Recovered'],
  'recovery:relapse': ['bad', 'Relapsed while recovering'],
  'health:change': ['plain', 'Health changed'],
  isolate: ['held', 'Isolated'],
  release: ['good', 'Released'],
  'node:suspect': ['warning', 'Node suspect'],
  'node:down': ['bad', 'Node down'],
  'node:up': ['good', 'Node up'],
  'node:warming-up': ['warning', 'Node warming up'],
  'node:refused': ['bad', 'Node refused'],
  'node:isolated': ['held', 'Node isolated'],
  'node:released': ['good', 'Node released'],
  failover: ['bad', 'Failed over to backup nodes'],
  failback: ['good', 'Back to primary nodes'],
  'connection:open': ['plain', 'Connection opened'],
  'connection:close': ['plain', 'Connection closed'],
  'connection:fail': ['bad', 'Connection failed']
}

/**
 * @param {string} type
 * @param {any} data - as the server tells it
 * @returns {Happening}
 */
export function happening(type, data) {
  if (type === 'alert') return alertHappening(data)
  const [tone, what] = kinds[type] ?? ['plain', type]
  return {
    at: data.at ?? Date.now(),
    tone,
    what,
    subject: data.peer ?? data.endpoint ?? '',
    detail: detailOf(data)
  }
}

/** @param {any} alert */
function alertHappening(alert) {
  return {
    at: alert.since,
    tone: /** @type {Tone} */ (alert.isFiring ? 'bad' : 'good'),
    what: alert.isFiring ? 'Alert' : 'Alert over',
    subject: alert.subject,
    detail: alertText(alert)
  }
}

/** @param {any} data */
function detailOf({ from, to, role, error }) {
  const parts = []
  if (from !== undefined && to !== undefined) parts.push(`${words(from)} → ${words(to)}`)
  if (role !== undefined) parts.push(role)
  if (error) parts.push(error.message ?? String(error))
  return parts.join(', ')
}
