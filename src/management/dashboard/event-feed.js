import { ApiError, tokenHeaders } from './api.js'
import { EventParser } from './event-parser.js'

/** @typedef {import('./event-parser.js').ServerEvent} ServerEvent */

/** The server gives a sign of life every 5 s; without one for this long, in ms, the connection is taken for dead. */
const MAX_SILENCE_MS = 15_000

/** The first wait before it is tried again, in ms, and the longest: each is twice as long as the one before. */
const FIRST_WAIT_MS = 1_000
const MAX_WAIT_MS = 5_000

/**
 * What happens, as it happens. `EventSource` cannot send the token, so that this reads the stream itself. A connection that breaks is
 * made anew, and what was told meanwhile is read then.
 */
export class EventFeed {
  #onEvent
  #onChange
  /** @type {AbortController | undefined} */
  #running
  /** Before anything was read, all that the server has kept is asked for. */
  #lastId = '0'
  #isOpen = false

  /**
   * @param {(event: ServerEvent) => void} onEvent
   * @param {() => void} onChange - told when the connection opens or breaks
   */
  constructor(onEvent, onChange) {
    this.#onEvent = onEvent
    this.#onChange = onChange
  }

  get isOpen() {
    return this.#isOpen
  }

  /** Listens from now on, if it does not already. */
  start() {
    if (this.#running !== undefined) return
    this.#running = new AbortController()
    void this.#run(this.#running.signal)
  }

  stop() {
    this.#running?.abort()
    this.#running = undefined
    this.#setOpen(false)
  }

  /** @param {AbortSignal} signal */
  async #run(signal) {
    let waitMs = FIRST_WAIT_MS
    while (!signal.aborted) {
      const hasOpened = await this.#connect(signal).catch(() => false)
      if (signal.aborted) return
      this.#setOpen(false)
      waitMs = hasOpened ? FIRST_WAIT_MS : Math.min(MAX_WAIT_MS, 2 * waitMs)
      await wait(waitMs)
    }
  }

  /**
   * Listens until the connection breaks.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<boolean>} whether there was one
   */
  async #connect(signal) {
    const dead = new AbortController()
    const die = () => dead.abort()
    let silence = setTimeout(die, MAX_SILENCE_MS)
    try {
      const response = await fetch('api/v1/events', {
        headers: { ...tokenHeaders(), 'last-event-id': this.#lastId },
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
        signal: AbortSignal.any([signal, dead.signal])
      })
      if (!response.ok || response.body === null) throw new ApiError(response.status, response.statusText)
      this.#setOpen(true)
      const parser = new EventParser()
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
      for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
        clearTimeout(silence)
        silence = setTimeout(die, MAX_SILENCE_MS)
        for (const event of parser.read(value ?? '')) this.#tell(event)
      }
      return true
    } catch (error) {
      if (this.#isOpen) return true
      throw error
    } finally {
      clearTimeout(silence)
    }
  }

  /** @param {ServerEvent} event */
  #tell(event) {
    if (event.id !== '') this.#lastId = event.id
    this.#onEvent(event)
  }

  /** @param {boolean} isOpen */
  #setOpen(isOpen) {
    if (isOpen === this.#isOpen) return
    this.#isOpen = isOpen
    this.#onChange()
  }
}

/** @param {number} ms */
function wait(ms) {
  return new Promise(resolve => setTimeout(resolve, ms))
}
