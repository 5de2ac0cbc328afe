import { badge } from './badge.js'
import { byId, element, setText } from './element.js'
import { happening } from './happening.js'
import { clockTime, dateAndTime, shortId } from './quantities.js'

/** @typedef {import('./happening.js').Happening} Happening */
/** @typedef {import('./event-parser.js').ServerEvent} ServerEvent */

/** What is shown at most, and what waits at most to be shown. */
const MAX_SHOWN = 200

/** What comes within this time is shown at once, in ms. */
const GATHERING_MS = 250

/** What happened, the latest first. */
export class Timeline {
  #list = byId('timeline')
  #pause = byId('timeline-pause')
  #filter = byId('timeline-filter', HTMLInputElement)
  /** The oldest first. @type {Happening[]} */
  #waiting = []
  #isPaused = false
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #gathering

  constructor() {
    this.#pause.addEventListener('click', () => this.#togglePause())
    this.#filter.addEventListener('input', () => this.#applyFilter())
  }

  /** @param {ServerEvent} event */
  add({ type, data }) {
    this.#waiting.push(happening(type, JSON.parse(data)))
    if (this.#waiting.length > MAX_SHOWN) this.#waiting.shift()
    this.showSoon()
  }

  /** Shows what has come by then, also if that is nothing. */
  showSoon() {
    this.#gathering ??= setTimeout(() => this.#showAll(), GATHERING_MS)
  }

  #showAll() {
    this.#gathering = undefined
    if (this.#isPaused) return this.#showWaiting()
    const entries = this.#waiting.splice(0).map(entryOf)
    this.#list.prepend(...entries.reverse())
    while (this.#list.childElementCount > MAX_SHOWN) this.#list.lastElementChild?.remove()
    this.#applyFilter()
  }

  #togglePause() {
    this.#isPaused = !this.#isPaused
    this.#pause.setAttribute('aria-pressed', `${this.#isPaused}`)
    this.#showWaiting()
    if (!this.#isPaused) this.#showAll()
  }

  #showWaiting() {
    const text = this.#isPaused ? `Paused, ${this.#waiting.length} new` : ''
    setText(byId('timeline-waiting'), text)
  }

  #applyFilter() {
    const wanted = this.#filter.value.trim().toLowerCase()
    let shown = 0
    for (const entry of this.#list.children) {
      const isWanted = entry instanceof HTMLElement && (entry.dataset.text ?? '').includes(wanted)
      entry.toggleAttribute('hidden', !isWanted)
      if (isWanted) shown++
    }
    const note = byId('no-events')
    note.hidden = shown > 0
    setText(note, this.#list.childElementCount > 0 ? 'Nothing contains that.' : 'Nothing has happened yet.')
  }
}

/** @param {Happening} happened */
function entryOf({ at, tone, what, subject, detail }) {
  const time = element(
    'time',
    { datetime: new Date(at).toISOString(), title: dateAndTime(at) },
    clockTime(at)
  )
  const who = element('code', { title: subject }, shortId(subject))
  const entry = element('li', {}, time, badge({ tone, text: what }), who, element('span', {}, detail))
  entry.dataset.text = `${what} ${subject} ${detail}`.toLowerCase()
  return entry
}
