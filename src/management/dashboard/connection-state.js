import { announce } from './announcer.js'
import { byId, setText } from './element.js'
import { clockTime, duration } from './quantities.js'

/** @typedef {'connecting' | 'live' | 'reconnecting' | 'token-needed'} State */

/** How often it is said anew how long ago the server was last seen, in ms. */
const TICK_MS = 1_000

/** Whether what the page shows is so now, and if not, as of when it is. */
export class ConnectionState {
  /** @type {State} */
  #state = 'connecting'
  #isListening = false
  #seenAt = 0
  #reason = ''

  constructor() {
    setInterval(() => this.#show(), TICK_MS)
  }

  /** The server has answered. */
  seen() {
    this.#seenAt = Date.now()
    if (this.#state === 'reconnecting') announce('Connected again.')
    this.#set('live')
  }

  /** @param {string} reason - why it has not */
  lost(reason) {
    this.#reason = reason
    if (this.#state === 'live') announce('The connection to the server is lost.')
    this.#set('reconnecting')
  }

  tokenNeeded() {
    this.#set('token-needed')
  }

  /** Whether events come in. */
  set isListening(/** @type {boolean} */ isListening) {
    this.#isListening = isListening
    this.#show()
  }

  /** @param {State} state */
  #set(state) {
    this.#state = state
    document.body.dataset.connection = state
    byId('token-section').hidden = state !== 'token-needed'
    byId('loading').hidden = state !== 'connecting'
    byId('data').hidden = this.#seenAt === 0 || state === 'token-needed'
    byId('facts').hidden = this.#seenAt === 0 || state === 'token-needed'
    this.#show()
  }

  #show() {
    setText(byId('connection'), this.#text())
    const outage = byId('outage')
    outage.hidden = this.#state !== 'reconnecting'
    if (!outage.hidden) setText(outage, this.#outageText())
  }

  #text() {
    switch (this.#state) {
      case 'connecting':
        return 'Connecting…'
      case 'token-needed':
        return 'Token needed'
      case 'live':
        return this.#isListening ? 'Live' : 'Live, but for the timeline: reconnecting…'
      case 'reconnecting':
        return this.#seenAt === 0 ? 'Reconnecting…' : `Reconnecting… last seen ${this.#age} ago`
    }
  }

  #outageText() {
    if (this.#seenAt === 0) return `There is no connection yet. ${this.#reason}`
    return `What you see is as of ${clockTime(this.#seenAt)}. ${this.#reason}`
  }

  get #age() {
    return duration(Date.now() - this.#seenAt)
  }
}
