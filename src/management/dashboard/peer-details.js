import { ApiError, get } from './api.js'
import { showBadges } from './badge.js'
import { byId, element, setText } from './element.js'
import { circuitOf } from './peer-columns.js'
import { clockTime, count, dateAndTime, milliseconds, words } from './quantities.js'

/** @typedef {import('../wire/peers.ts').PeerWire} Peer */

/**
 * As the server explains it.
 *
 * @typedef {object} Explanation
 * @property {string} verdict
 * @property {string[]} evidence
 * @property {string[]} changes
 * @property {Array<{ fault: string, cid?: string, at: number }>} [faults]
 */

/** Why a peer is treated as it is. */
export class PeerDetails {
  #dialog = byId('details', HTMLDialogElement)
  #peer = ''

  constructor() {
    byId('details-copy').addEventListener('click', async () =>
      setText(byId('details-notice'), await copyPeerId(this.#peer))
    )
    byId('details-refresh').addEventListener('click', () => this.#load())
  }

  /** @param {string} peer */
  open(peer) {
    this.#peer = peer
    setText(byId('details-peer'), peer)
    for (const id of ['details-error', 'details-notice']) setText(byId(id), '')
    setText(byId('details-as-of'), 'Loading…')
    byId('details-content').replaceChildren()
    this.#dialog.showModal()
    void this.#load()
  }

  async #load() {
    const peer = this.#peer
    const id = encodeURIComponent(peer)
    try {
      const [explanation, status] = await Promise.all([
        get(`api/v1/bitswap/explain/${id}`),
        get(`api/v1/bitswap/peers/${id}`)
      ])
      // Another may have been opened meanwhile.
      if (peer === this.#peer) this.#show(explanation, status)
    } catch (error) {
      setText(byId('details-as-of'), '')
      if (!(error instanceof ApiError)) throw error
      setText(byId('details-error'), error.message)
    }
  }

  /**
   * @param {Explanation} explanation
   * @param {Peer} status
   */
  #show({ verdict, evidence, changes, faults = [] }, status) {
    setText(byId('details-error'), '')
    setText(byId('details-as-of'), `As of ${clockTime(Date.now())}`)
    const badges = element('p', { class: 'badges' })
    showBadges(badges, circuitOf(status))
    byId('details-content').replaceChildren(
      badges,
      element('p', { class: 'verdict' }, verdict),
      ...list('What this stands on', evidence),
      ...list('What would change it', changes),
      ...list('Faults', faults.map(faultText)),
      ...facts(status)
    )
  }
}

/**
 * Pages that came neither from this machine nor encrypted cannot copy.
 *
 * @param {string} peer
 * @returns {Promise<string>} what came of it
 */
export async function copyPeerId(peer) {
  try {
    await navigator.clipboard.writeText(peer)
    return 'The peer id was copied.'
  } catch {
    return 'The browser does not let this page copy: select the id in the details of the peer.'
  }
}

/**
 * @param {string} title
 * @param {readonly string[]} lines
 */
function list(title, lines) {
  if (lines.length === 0) return []
  return [element('h3', {}, title), element('ul', {}, ...lines.map(line => element('li', {}, line)))]
}

/** @param {{ fault: string, cid?: string, at: number }} evidence */
function faultText({ fault, cid, at }) {
  const about = cid === undefined ? '' : `, block ${cid}`
  return `${words(fault)}, ${dateAndTime(at)}${about}`
}

/** @param {Peer} peer */
function facts(peer) {
  /** @type {Array<[string, string]>} */
  const pairs = [
    ['Connected', peer.is_connected ? 'yes' : 'no'],
    ['In flight', count(peer.in_flight)],
    ['Pending wants', count(peer.pending_wants)],
    ['Errors in a row', count(peer.consecutive_errors)],
    ['Trips not yet forgiven', count(peer.trips)],
    ['Time to open a stream', milliseconds(peer.open_time_ms)],
    ['Next retry', peer.next_retry_at === null ? '–' : dateAndTime(peer.next_retry_at)],
    ['Last used', dateAndTime(peer.last_used_at)]
  ]
  const rows = pairs.map(([name, value]) =>
    element('div', {}, element('dt', {}, name), element('dd', {}, value))
  )
  return [element('h3', {}, 'Figures'), element('dl', { class: 'facts' }, ...rows)]
}
