/**
 * @typedef {object} ServerEvent
 * @property {string} id
 * @property {string} type
 * @property {string} data
 */

/** Reads server-sent events, from text in whatever pieces it comes. */
export class EventParser {
  #rest = ''
  #id = ''
  #type = ''
  /** @type {string[]} */
  #data = []

  /**
   * @param {string} text
   * @returns {ServerEvent[]} what is complete by now
   */
  read(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/)
    this.#rest = lines.pop() ?? ''
    return lines.flatMap(line => this.#readLine(line))
  }

  /**
   * @param {string} line
   * @returns {ServerEvent[]}
   */
  #readLine(line) {
    if (line === '') return this.#dispatch()
    const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? []
    if (field === 'id') this.#id = value
    if (field === 'event') this.#type = value
    if (field === 'data') this.#data.push(value)
    // Comments have no field name: they only say that the server is alive.
    return []
  }

  /** @returns {ServerEvent[]} */
  #dispatch() {
    const event = { id: this.#id, type: this.#type || 'message', data: this.#data.join('\n') }
    const isEmpty = this.#data.length === 0
    this.#type = ''
    this.#data = []
    return isEmpty ? [] : [event]
  }
}
