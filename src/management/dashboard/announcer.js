import { byId, setText } from './element.js'

/** How long what was done stays on the page, in ms. */
const NOTICE_MS = 8_000

/** @type {ReturnType<typeof setTimeout> | undefined} */
let hiding

/**
 * Tells what came of something that was done here, on the page and to screen readers.
 *
 * @param {string} text
 */
export function notify(text) {
  clearTimeout(hiding)
  setText(byId('notice'), text)
  hiding = setTimeout(() => setText(byId('notice'), ''), NOTICE_MS)
}

/**
 * Tells screen readers what is now so; the page shows it elsewhere.
 *
 * @param {string} text
 */
export function announce(text) {
  setText(byId('announcer'), text)
}
