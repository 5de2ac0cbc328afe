import { gauge } from './bar.ts'
import type { Paint } from './paint.ts'
import { bytesText, countText, percentText, rateText, roughDurationText } from './quantities.ts'
import { shorten } from './visible-text.ts'

/** How far a transfer has come. */
export interface Progress {
  readonly doneBytes: number
  /** `undefined` until it is known. */
  readonly totalBytes: number | undefined
  readonly bytesPerSecond: number
  readonly connectedPeers: number
  /** Time since the last block. */
  readonly idleMs: number
}

/** Shorter than this nothing is said about waiting. */
const NOTICEABLE_IDLE_MS = 2000

/** One line for a terminal of that many columns. What does not fit is left out, the least needed first. */
export function progressLine(progress: Progress, columns: number, paint: Paint): string {
  const facts = progressFacts(progress)
  if (progress.totalBytes === undefined) return shorten(fitting(facts, columns).join('  '), columns)
  const share = doneShare(progress)
  const drawn = gauge(share, gaugeWidth(columns))
  const text = ['', percentText(share).padStart(5), ...fitting(facts, columns - drawn.length - 9)].join('  ')
  const format = progress.idleMs < NOTICEABLE_IDLE_MS ? 'green' : 'yellow'
  return `${paint(format, drawn)}${shorten(text, columns - drawn.length)}`
}

/** Depends on nothing that changes under way, or the bar would jump about. */
function gaugeWidth(columns: number): number {
  return Math.max(4, Math.min(30, Math.floor(columns / 4)))
}

/** The same for a log, where nothing is drawn over. */
export function progressSentence(progress: Progress): string {
  const facts = progressFacts(progress)
  return (progress.totalBytes === undefined ? facts : [percentText(doneShare(progress)), ...facts]).join(', ')
}

function doneShare({ doneBytes, totalBytes }: Progress): number {
  return totalBytes === 0 ? 1 : doneBytes / totalBytes!
}

/** Most needed first. */
function progressFacts({
  doneBytes,
  totalBytes,
  bytesPerSecond,
  connectedPeers,
  idleMs
}: Progress): string[] {
  const waiting = idleMs < NOTICEABLE_IDLE_MS ? [] : [`waiting for ${roughDurationText(idleMs)}`]
  const peers = countText(connectedPeers, 'peer')
  if (totalBytes === undefined)
    return [connectedPeers === 0 ? 'connecting' : 'looking for the file', ...waiting, peers]
  const isUnderWay = bytesPerSecond > 0 && doneBytes < totalBytes && waiting.length === 0
  return [
    `${bytesText(doneBytes)} of ${bytesText(totalBytes)}`,
    ...waiting,
    ...(isUnderWay ? [rateText(bytesPerSecond)] : []),
    ...(isUnderWay ? [`${roughDurationText(((totalBytes - doneBytes) / bytesPerSecond) * 1000)} left`] : []),
    peers
  ]
}

/** As many facts, from the first, as there is room for. */
function fitting(facts: readonly string[], columns: number): string[] {
  let width = -2
  return facts.filter((fact, index) => {
    width += fact.length + 2
    return index === 0 || width <= columns
  })
}
