import { type Check, figures } from '../report.ts'
import type { TimedRow } from '../timed-group.ts'

/** Growth of the heap per operation that is taken for none. */
export const NOTHING_BYTES = 1

/** Checks what each of the candidates named allocates. */
export function allocatesAtMost(
  maxBytes: number,
  rows: readonly TimedRow[],
  names: readonly string[]
): Check[] {
  const claim = maxBytes === NOTHING_BYTES ? 'nothing allocated' : 'little allocated'
  return names.map(name => {
    const { bytes } = rows.find(row => row.name === name)!
    return {
      name: `${claim}: ${name}`,
      passed: bytes <= maxBytes,
      detail: `${figures(bytes)} B each, at most ${figures(maxBytes)}`
    }
  })
}
