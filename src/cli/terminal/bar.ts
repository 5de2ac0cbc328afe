/** A bar filled to a share from 0 to 1; anything above 0 shows. */
export function bar(share: number, width: number): string {
  const filled = share <= 0 ? 0 : Math.min(width, Math.max(1, Math.round(share * width)))
  return '█'.repeat(filled)
}

/** The same, with the rest of the width marked. */
export function gauge(share: number, width: number): string {
  // Full only when it is: the last cell waits for the last byte.
  const filled = share >= 1 ? width : Math.min(width - 1, Math.round(share * width))
  return '█'.repeat(Math.max(0, filled)) + '░'.repeat(width - Math.max(0, filled))
}
