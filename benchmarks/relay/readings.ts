/** One read, from when it was asked for until it was answered, or failed. Times in ms. */
export interface Reading {
  readonly startMs: number
  readonly endMs: number
  /** `undefined` if it failed. */
  readonly answeredBy: 'primary' | 'backup' | undefined
}

/** What reads came to, from some moment on. */
export interface ReadingFigures {
  readonly reads: number
  readonly failed: number
  /** The longest any reader was without an answer that he wanted, in ms, however often he had to ask for it. */
  readonly longestStallMs: number
  /** Of those that were answered, in ms. */
  readonly p99Ms: number
}

/**
 * @param readers - what each has read, in order
 * @param fromMs, toMs - reads that ended then count
 */
export function figuresOf(
  readers: ReadonlyArray<readonly Reading[]>,
  fromMs: number,
  toMs = Infinity
): ReadingFigures {
  const counted = readers.map(its => its.filter(({ endMs }) => endMs >= fromMs && endMs < toMs))
  const all = counted.flat()
  const answeredMs = all
    .filter(({ answeredBy }) => answeredBy !== undefined)
    .map(({ startMs, endMs }) => endMs - startMs)
    .toSorted((a, b) => a - b)
  return {
    reads: all.length,
    failed: all.length - answeredMs.length,
    longestStallMs: Math.max(0, ...counted.map(longestStallMs)),
    p99Ms: answeredMs[Math.ceil(0.99 * answeredMs.length) - 1] ?? 0
  }
}

/** One that fails makes its reader ask again; what he waits for is the answer. */
function longestStallMs(readings: readonly Reading[]): number {
  let longestMs = 0
  let sinceMs: number | undefined
  for (const { startMs, endMs, answeredBy } of readings) {
    sinceMs ??= startMs
    longestMs = Math.max(longestMs, endMs - sinceMs)
    if (answeredBy !== undefined) sinceMs = undefined
  }
  return longestMs
}
