/** From the longest to the shortest, in ms. */
const units = [
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1]
] as const

const FORM = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/

/** What a duration looks like, in words. */
export const DURATION_FORM = "a number and its unit, such as '250ms', '30s', '5m' or '1h'"

/** Reads a duration such as `250ms`, `1.5s`, `5m` or `1h`, in ms; `undefined` if it is none. */
export function parseDuration(text: string): number | undefined {
  const [, number, name] = FORM.exec(text) ?? []
  const unit = units.find(([each]) => each === name)
  return unit === undefined ? undefined : Number(number) * unit[1]
}

/** A duration as {@link parseDuration} reads it, in the longest unit of which it is a whole number. */
export function writeDuration(ms: number): string {
  const [name, unitMs] = units.find(([, each]) => ms >= each && ms % each === 0) ?? (['ms', 1] as const)
  return `${ms / unitMs}${name}`
}
