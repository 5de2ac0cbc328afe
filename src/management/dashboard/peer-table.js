import { byId, setText } from './element.js'
import { LatencyTrails } from './latency-trails.js'
import { createHeaders, LiveTable, showOrder } from './live-table.js'
import { peerColumns } from './peer-columns.js'
import { count } from './quantities.js'

/** @typedef {import('../wire/peers.ts').PeerPageWire} PeerPage */
/** @typedef {import('./peer-columns.js').ShownPeer} ShownPeer */

/** Peers on a page. */
const PAGE_SIZE = 50

/** How long after the last key the search begins, in ms. */
const TYPING_MS = 300

/** Peers, page by page, as they are asked for. */
export class PeerTable {
  #form = byId('peer-filters', HTMLFormElement)
  #table = byId('peers', HTMLTableElement)
  #head = /** @type {HTMLTableSectionElement} */ (this.#table.tHead)
  #trails = new LatencyTrails()
  #onQuery
  #columns
  #rows
  #page = 1
  #pages = 1
  #sort = 'trouble'
  #isReversed = false
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing

  /**
   * @param {import('./steering.js').Steering} steering
   * @param {object} handlers
   * @param {() => void} handlers.onQuery - told when something else is to be shown
   * @param {(peer: string) => void} handlers.onOpen - told whose details are wanted
   * @param {(peer: string) => void} handlers.onCopy
   */
  constructor(steering, { onQuery, onOpen, onCopy }) {
    this.#onQuery = onQuery
    this.#columns = peerColumns(this.#trails, steering)
    const body = /** @type {HTMLTableSectionElement} */ (this.#table.tBodies[0])
    this.#rows = new LiveTable(body, this.#columns, ({ peer }) => peer.peer)
    createHeaders(this.#head, this.#columns, sort => this.#sortBy(sort))
    showOrder(this.#head, this.#columns, this.#sort, this.#isReversed)
    body.addEventListener('click', event => this.#onClick(event, onOpen, onCopy))
    this.#listenToFilters()
    byId('previous-page').addEventListener('click', () => this.#turnTo(this.#page - 1))
    byId('next-page').addEventListener('click', () => this.#turnTo(this.#page + 1))
  }

  /** What to ask the server for. */
  get path() {
    const query = new URLSearchParams({ page: `${this.#page}`, size: `${PAGE_SIZE}`, sort: this.#sort })
    if (this.#isReversed) query.set('reverse', 'true')
    for (const [name, value] of this.#filters) query.set(name, value)
    return `api/v1/bitswap/peers?${query}`
  }

  /** Says that something is on its way. */
  set isBusy(/** @type {boolean} */ isBusy) {
    this.#table.setAttribute('aria-busy', `${isBusy}`)
  }

  /**
   * @param {PeerPage} page
   * @param {number} nowMs - by the clock of the server
   */
  show({ page, size, total, peers }, nowMs) {
    this.#pages = Math.max(1, Math.ceil(total / size))
    // There are fewer peers than when the page was turned.
    if (page > this.#pages) return this.#turnTo(this.#pages)
    for (const { peer, response_time_ms } of peers) this.#trails.note(peer, response_time_ms)
    this.#showPosition(total)
    const isHeld = this.#rows.hasSelection
    byId('peers-held').hidden = !isHeld
    if (isHeld) return
    const pageRequests = peers.reduce((sum, { requests }) => sum + requests, 0)
    this.#rows.update(peers.map(peer => ({ peer, pageRequests, nowMs })))
    this.#showEmptiness(total)
  }

  /** @param {number} total */
  #showPosition(total) {
    const peers = total === 1 ? 'peer' : 'peers'
    setText(byId('page-position'), `Page ${this.#page} of ${this.#pages}, ${count(total)} ${peers}`)
    setText(
      byId('peers-caption'),
      `Peers, page ${this.#page} of ${this.#pages}. Shares are of the requests on this page.`
    )
    this.#setEnd('previous-page', this.#page <= 1)
    this.#setEnd('next-page', this.#page >= this.#pages)
  }

  /**
   * A button that was just pressed keeps the focus, also if it leads nowhere any more.
   *
   * @param {string} id
   * @param {boolean} isEnd
   */
  #setEnd(id, isEnd) {
    byId(id).setAttribute('aria-disabled', `${isEnd}`)
  }

  /** @param {number} total */
  #showEmptiness(total) {
    const note = byId('no-peers')
    note.hidden = total > 0
    setText(
      note,
      this.#filters.length > 0
        ? 'No peer matches these filters.'
        : 'No peers yet: they appear here when the node first deals with them.'
    )
  }

  /** @returns {Array<[string, string]>} those that are set */
  get #filters() {
    return [...new FormData(this.#form)]
      .map(([name, value]) => /** @type {[string, string]} */ ([name, String(value).trim()]))
      .filter(([, value]) => value !== '')
  }

  #listenToFilters() {
    this.#form.addEventListener('submit', event => {
      event.preventDefault()
      this.#turnTo(1)
    })
    this.#form.addEventListener('change', () => this.#turnTo(1))
    this.#form.addEventListener('input', () => {
      clearTimeout(this.#typing)
      this.#typing = setTimeout(() => this.#turnTo(1), TYPING_MS)
    })
    // The form is empty only after this event.
    this.#form.addEventListener('reset', () => setTimeout(() => this.#turnTo(1)))
  }

  /** @param {number} page */
  #turnTo(page) {
    clearTimeout(this.#typing)
    if (page < 1 || page > this.#pages) return
    this.#page = page
    this.#onQuery()
  }

  /** @param {string} sort */
  #sortBy(sort) {
    this.#isReversed = this.#sort === sort && !this.#isReversed
    this.#sort = sort
    showOrder(this.#head, this.#columns, sort, this.#isReversed)
    this.#turnTo(1)
  }

  /**
   * Wherever a row is clicked its details open, except at what has a purpose of its own.
   *
   * @param {MouseEvent} event
   * @param {(peer: string) => void} onOpen
   * @param {(peer: string) => void} onCopy
   */
  #onClick({ target }, onOpen, onCopy) {
    if (!(target instanceof Element)) return
    const peer = target.closest('tr')?.dataset.key
    if (peer === undefined || target.closest('.steer') || this.#rows.hasSelection) return
    if (target.closest('.copy')) onCopy(peer)
    else onOpen(peer)
  }
}
