/** A share as per cent, to so many digits. */
export function percent(share: number, digits = 2): string {
  return `${(100 * share).toFixed(digits)} %`
}

/** The value below which `share` of the others lie, of rising ones. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

/** A time in s. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
