import { byId, setAttribute } from './element.js'

/** @typedef {import('./steering.js').Steering} Steering */

/** Puts the node into another mode, which is chosen in a dialog. */
export class ModeSwitch {
  #steering
  #button = byId('change-mode', HTMLButtonElement)
  #dialog = byId('mode-choice', HTMLDialogElement)
  #choices = byId('modes', HTMLFormElement)
  #mode = ''

  /** @param {Steering} steering */
  constructor(steering) {
    this.#steering = steering
    this.#button.addEventListener('click', () => this.#choose())
    this.#dialog.addEventListener('close', () => void this.#chosen())
  }

  /** @param {string | undefined} mode - the one that is on; `undefined` without a libp2p node */
  show(mode) {
    this.#mode = mode ?? ''
    this.#button.hidden = mode === undefined
    // It can be reached all the same, to learn why.
    setAttribute(this.#button, 'aria-disabled', this.#steering.isPossible ? undefined : 'true')
    setAttribute(this.#button, 'aria-describedby', this.#steering.isPossible ? undefined : 'steering-note')
  }

  #choose() {
    if (!this.#steering.isPossible) return this.#steering.explainWhyNot()
    for (const choice of this.#choices.querySelectorAll('input')) choice.checked = choice.value === this.#mode
    this.#dialog.returnValue = ''
    this.#dialog.showModal()
  }

  async #chosen() {
    const mode = new FormData(this.#choices).get('mode')
    if (this.#dialog.returnValue !== 'confirm' || mode === this.#mode) return
    await this.#steering.order(
      'bitswap/mode',
      { mode },
      `The mode is ${mode}.`,
      'The mode could not be changed'
    )
  }
}
