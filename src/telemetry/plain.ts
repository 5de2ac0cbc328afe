/** The longest text that is kept, in characters. */
const MAX_TEXT = 1_000

/** For `JSON.stringify`: what JSON has no form for, in words; of errors name and message; and no text without end. */
export function plain(_: string, value: unknown): unknown {
  if (value instanceof Error) return { name: value.name, message: value.message }
  if (typeof value === 'bigint') return `${value}`
  return typeof value === 'string' && value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value
}
