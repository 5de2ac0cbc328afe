import { count, milliseconds, percent } from './quantities.js'

/** @typedef {(value: number) => string} Format */

/** What each alert is about, and how its values are shown. @type {Readonly<Record<string, [string, Format]>>} */
const kinds = {
  connectionFailureRate: ['Failure rate', percent],
  averageLatency: ['Average latency', milliseconds],
  circuitBreakerOpen: ['Circuit open', () => ''],
  consecutiveFailures: ['Failures in a row', count],
  wantFailureRate: ['Share of wants that failed', percent],
  averageAnswerTime: ['Average answer time', milliseconds],
  openCircuitShare: ['Share of circuits that are open', percent],
  consecutiveWantFailures: ['Wants failed in a row', count]
}

/**
 * An alert in words, but for whom it is about.
 *
 * @param {{ name: string, value: number, threshold: number }} alert
 */
export function alertText({ name, value, threshold }) {
  const [what, format] = kinds[name] ?? [name, count]
  const shown = format(value)
  return shown === '' ? what : `${what}: ${shown}, limit ${format(threshold)}`
}
