const byteUnits = ['B', 'kB', 'MB', 'GB', 'TB'] as const

/** Bytes as people write them, in steps of 1000: `999 B`, `1.5 MB`. */
export function bytesText(bytes: number): string {
  let value = bytes
  let unit = 0
  // 999.95 would be shown as 1000.0.
  while (value >= (unit === 0 ? 1000 : 999.95) && unit < byteUnits.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${byteUnits[unit]}`
}

export function rateText(bytesPerSecond: number): string {
  return `${bytesText(bytesPerSecond)}/s`
}

/** A duration with two or three digits that count: `12 ms`, `3.4 s`, `2 min 5 s`, `1 h 3 min`. */
export function durationText(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1).replace(/\.0$/, '')} s`
  const seconds = Math.round(ms / 1000)
  const minutes = Math.floor(seconds / 60)
  return minutes < 60
    ? twoUnits(minutes, 'min', seconds % 60, 's')
    : twoUnits(Math.floor(minutes / 60), 'h', minutes % 60, 'min')
}

function twoUnits(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`
}

/** A duration that is only guessed, in whole units: `7 s`, `3 min`, `2 h`. */
export function roughDurationText(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000))
  if (seconds < 100) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 100 ? `${minutes} min` : `${Math.round(minutes / 60)} h`
}

/** A share from 0 to 1; 100 % only when nothing is missing. */
export function percentText(share: number): string {
  return `${Math.floor(share * 100)} %`
}

/** `1 peer`, `2 peers`. */
export function countText(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
