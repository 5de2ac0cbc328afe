import { announce, notify } from './announcer.js'
import { ApiError, post } from './api.js'
import { byId, setAttribute, setText } from './element.js'
import { readToken } from './token.js'

/**
 * Something to isolate or release.
 *
 * @typedef {object} Target
 * @property {'peer' | 'endpoint'} kind
 * @property {string} id
 * @property {boolean} isIsolated
 */

const folders = { peer: 'bitswap', endpoint: 'secure-channel' }

const texts = {
  isolate: {
    deed: 'Isolate',
    done: 'isolated',
    effect: 'Nothing is asked of it any more, whatever it does, until it is released.'
  },
  release: { deed: 'Release', done: 'released', effect: 'It is treated like any other again.' }
}

/** Isolates and releases, after asking whether that is meant; and has the server do what else it is told. */
export class Steering {
  #onDone
  #isForbidden = false

  /** @param {() => void} onDone - told when something has changed */
  constructor(onDone) {
    this.#onDone = onDone
  }

  /** A server that answers without a token lets nobody steer. */
  get isPossible() {
    return readToken() !== undefined && !this.#isForbidden
  }

  /**
   * Makes the button of a row.
   *
   * @param {HTMLElement} cell
   * @returns {(target: Target) => void} brings it up to date
   */
  createButton(cell) {
    const button = document.createElement('button')
    button.type = 'button'
    button.className = 'steer'
    /** @type {Target | undefined} */
    let target
    button.addEventListener('click', () => {
      if (target !== undefined) void this.#act(target)
    })
    cell.append(button)
    return shown => {
      target = shown
      const { deed } = texts[deedOf(shown)]
      setText(button, deed)
      setAttribute(button, 'aria-label', `${deed} ${shown.kind} ${shown.id}`)
      // It can be reached all the same, to learn why.
      setAttribute(button, 'aria-disabled', this.isPossible ? undefined : 'true')
      setAttribute(button, 'aria-describedby', this.isPossible ? undefined : 'steering-note')
    }
  }

  /** @param {Target} target */
  async #act(target) {
    if (!this.isPossible) return this.explainWhyNot()
    const deed = deedOf(target)
    if (!(await confirm(target, deed))) return
    const { done } = texts[deed]
    const kind = target.kind === 'peer' ? 'Peer' : 'Endpoint'
    await this.order(
      `${folders[target.kind]}/${deed}`,
      { [target.kind]: target.id },
      `${kind} ${target.id} is ${done}.`,
      `${target.id} could not be ${done}`
    )
  }

  /**
   * Has the server do something, and says what came of it.
   *
   * @param {string} path - below that of the API
   * @param {object} body
   * @param {string} done - said when it is
   * @param {string} failed - said with the reason when it is not
   */
  async order(path, body, done, failed) {
    try {
      await post(`api/v1/${path}`, body)
      notify(done)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      this.#isForbidden ||= error.status === 403
      notify(`${failed}: ${error.message}`)
    }
    this.#onDone()
  }

  explainWhyNot() {
    const note = byId('steering-note')
    note.scrollIntoView({ block: 'nearest' })
    announce(note.textContent?.trim() ?? '')
  }
}

/**
 * @param {Target} target
 * @returns {'isolate' | 'release'}
 */
function deedOf({ isIsolated }) {
  return isIsolated ? 'release' : 'isolate'
}

/**
 * @param {Target} target
 * @param {'isolate' | 'release'} deed
 * @returns {Promise<boolean>}
 */
function confirm({ kind, id }, deed) {
  const dialog = byId('confirmation', HTMLDialogElement)
  setText(byId('confirmation-heading'), `${texts[deed].deed} this ${kind}?`)
  setText(byId('confirmation-text'), texts[deed].effect)
  setText(byId('confirmation-subject'), id)
  setText(byId('confirmation-deed'), texts[deed].deed)
  dialog.returnValue = ''
  dialog.showModal()
  return new Promise(resolve =>
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'confirm'), { once: true })
  )
}
