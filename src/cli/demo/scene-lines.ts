import { gauge } from '../terminal/bar.ts'
import { type Comparison, type Contestant, comparisonLines } from '../terminal/comparison.ts'
import type { Paint } from '../terminal/paint.ts'
import { durationText, percentText } from '../terminal/quantities.ts'
import { table } from '../terminal/table.ts'
import { shorten, wrap } from '../terminal/visible-text.ts'
import type { Outcome } from './outcome.ts'
import { type PeerRow, peerColumns } from './peer-rows.ts'
import type { ReadingState } from './reading.ts'

/** The two readers, in the order of everything that is shown. */
export const contestants: readonly Contestant[] = [
  { name: 'stock Helia', format: 'red' },
  { name: 'protected', format: 'green' }
]

/** Shorter than this nothing is said about waiting. */
const NOTICEABLE_WAIT_MS = 1000
/** Longer than this makes text tiring to read. */
const TEXT_WIDTH = 100

export function paragraph(text: string, columns: number): string[] {
  return wrap(text, Math.min(columns, TEXT_WIDTH))
}

/** How far both readers have come, and how the peers stand. */
export function liveLines(
  readers: readonly ReadingState[],
  totalBlocks: number,
  peers: readonly PeerRow[],
  columns: number,
  paint: Paint
): string[] {
  const bars = readers.map((reader, index) => readerLine(index, reader, totalBlocks, columns, paint))
  return ['', ...bars, '', ...table(peerColumns, peers, columns, paint)]
}

function readerLine(
  index: number,
  { blocks, longestMs, idleMs, ending }: ReadingState,
  totalBlocks: number,
  columns: number,
  paint: Paint
): string {
  const { name, format } = contestants[index]!
  const share = Math.min(1, blocks / totalBlocks)
  const drawn = gauge(share, Math.max(8, Math.min(30, Math.floor(columns / 5))))
  const isWaiting = ending === undefined && idleMs >= NOTICEABLE_WAIT_MS
  const state = isWaiting ? `waiting for ${durationText(idleMs)}` : `slowest block ${durationText(longestMs)}`
  const text = `  ${percentText(share).padStart(5)}  ${state}`
  const label = name.padEnd(11)
  return `${label}  ${paint(format, drawn)}${shorten(text, columns - label.length - 2 - drawn.length)}`
}

export function peerLines(peers: readonly PeerRow[], columns: number, paint: Paint): string[] {
  return table(peerColumns, peers, columns, paint)
}

/** The figures of both readers side by side. */
export function resultLines(outcomes: readonly Outcome[], columns: number, paint: Paint): string[] {
  const compare = (label: string, figure: (outcome: Outcome) => number): Comparison => ({
    label,
    figures: outcomes.map(outcome => ({ value: figure(outcome), text: durationText(figure(outcome)) }))
  })
  const isFinished = outcomes.every(({ finished }) => finished)
  const [stock, guarded] = outcomes.map(({ maxMs }) => durationText(maxMs))
  const lines = comparisonLines(
    contestants,
    [
      compare('per block: p50', outcome => outcome.p50Ms),
      compare('           p95', outcome => outcome.p95Ms),
      compare('       slowest', outcome => outcome.maxMs),
      compare(isFinished ? 'the whole file' : 'until the end', outcome => outcome.totalMs)
    ],
    columns,
    paint
  )
  return [
    ...lines,
    '',
    ...outcomes.flatMap(unfinishedLines),
    ...paragraph(`The longest wait for a block: ${stock} without protection, ${guarded} with it.`, columns)
  ]
}

function unfinishedLines({ finished, blocks, totalMs }: Outcome, index: number): string[] {
  if (finished) return []
  return [`${contestants[index]!.name} was stopped after ${durationText(totalMs)}, with ${blocks} blocks.`]
}
