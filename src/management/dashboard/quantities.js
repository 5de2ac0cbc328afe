const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

const numbers = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 1 })

/** Ids up to this length are shown whole, in characters. */
const MAX_ID_LENGTH = 18

/** @param {number} value */
export function count(value) {
  return numbers.format(value)
}

/** @param {number} share - from 0 to 1 */
export function percent(share) {
  return `${(share * 100).toFixed(1)} %`
}

/** @param {number} ms */
export function milliseconds(ms) {
  if (ms >= 10 * SECOND_MS) return `${(ms / SECOND_MS).toFixed(1)} s`
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
}

/**
 * In the largest unit that fits.
 *
 * @param {number} ms
 */
export function duration(ms) {
  const [unitMs, unit] =
    ms >= DAY_MS
      ? [DAY_MS, 'd']
      : ms >= HOUR_MS
        ? [HOUR_MS, 'h']
        : ms >= MINUTE_MS
          ? [MINUTE_MS, 'min']
          : [SECOND_MS, 's']
  return `${Math.floor(Math.max(0, ms) / Number(unitMs))} ${unit}`
}

/**
 * By the clock on the wall of whoever looks.
 *
 * @param {number | string} when
 */
export function clockTime(when) {
  return new Date(when).toLocaleTimeString('en-GB')
}

/** @param {number | string} when */
export function dateAndTime(when) {
  return new Date(when).toLocaleString('en-GB')
}

/**
 * Begin and end of an id: the end is what tells peer ids apart.
 *
 * @param {string} id
 */
export function shortId(id) {
  return id.length <= MAX_ID_LENGTH ? id : `${id.slice(0, 6)}…${id.slice(-8)}`
}

/**
 * `HALF_OPEN` as `Half-open`.
 *
 * @param {string} code
 */
export function words(code) {
  const text = code.toLowerCase().replaceAll('_', '-')
  return text.charAt(0).toUpperCase() + text.slice(1)
}
