import { alertText } from './alert-text.js'
import { badge } from './badge.js'
import { byId, element } from './element.js'
import { dateAndTime } from './quantities.js'

/** @typedef {import('../wire/alerts.ts').AlertsWire['alerts'][number]} Alert */

let shown = ''

/**
 * Shows what is wrong now.
 *
 * @param {readonly Alert[]} alerts
 */
export function showAlerts(alerts) {
  const wanted = JSON.stringify(alerts)
  if (wanted === shown) return
  shown = wanted
  byId('no-alerts').hidden = alerts.length > 0
  byId('alerts').replaceChildren(...alerts.map(entryOf))
}

/** @param {Alert} alert */
function entryOf(alert) {
  const { subject, since } = alert
  return element(
    'li',
    {},
    badge({ tone: 'bad', text: alertText(alert) }),
    element('code', {}, subject),
    element('time', { datetime: since }, `since ${dateAndTime(since)}`)
  )
}
