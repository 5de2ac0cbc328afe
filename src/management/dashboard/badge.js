import { element, svgElement } from './element.js'

// Each tone has a shape of its own, so that nothing is said by colour alone.
const shapes = {
  good: 'M2 6.5 5 9.5 10 3',
  warning: 'M6 1.5 11 10.5 1 10.5Z M6 5v2.5 M6 9v.2',
  bad: 'M2.5 2.5 9.5 9.5 M9.5 2.5 2.5 9.5',
  held: 'M3.5 2v8 M8.5 2v8',
  plain: 'M6 4.5a1.5 1.5 0 1 0 0 3a1.5 1.5 0 1 0 0-3'
}

/** @typedef {keyof typeof shapes} Tone */
/** @typedef {{ tone: Tone, text: string }} BadgeContent */

/** @type {Readonly<Record<string, BadgeContent>>} */
export const circuitBadges = {
  CLOSED: { tone: 'good', text: 'Closed' },
  HALF_OPEN: { tone: 'warning', text: 'Half-open' },
  OPEN: { tone: 'bad', text: 'Open' }
}

/** @type {Readonly<Record<string, BadgeContent>>} */
export const healthBadges = {
  HEALTHY: { tone: 'good', text: 'Healthy' },
  DEGRADED: { tone: 'warning', text: 'Degraded' },
  UNHEALTHY: { tone: 'bad', text: 'Unhealthy' },
  UNKNOWN: { tone: 'plain', text: 'Unknown' }
}

/** @param {BadgeContent} content */
export function badge({ tone, text }) {
  const shape = svgElement(
    'svg',
    { class: 'shape', viewBox: '0 0 12 12', 'aria-hidden': 'true' },
    svgElement('path', { d: shapes[tone] })
  )
  return element('span', { class: `badge ${tone}` }, shape, text)
}

/**
 * Shows badges in an element, and nothing else.
 *
 * @param {Element} place
 * @param {readonly BadgeContent[]} contents
 */
export function showBadges(place, contents) {
  const shown = [...place.children].map(each => each.className + each.textContent)
  const wanted = contents.map(({ tone, text }) => `badge ${tone}${text}`)
  if (shown.join() !== wanted.join()) place.replaceChildren(...contents.map(badge))
}
