import type { AlertSetup } from './alert-options.ts'
import type { HysteresisOptions } from './hysteresis.ts'

/** Of a rate or mean: it has to be bad for a while, and good for a while. */
export function lasting(
  badAbove: number | false,
  { fireAfterMs, resolveAfterMs }: AlertSetup
): HysteresisOptions | false {
  return badAbove !== false && { badAbove, fireAfterMs, resolveAfterMs }
}

/** Of whole things that are counted: as many are bad at once, and it is over once there have been none for a while. */
export function atOnce(badFrom: number | false, { resolveAfterMs }: AlertSetup): HysteresisOptions | false {
  return badFrom !== false && { badAbove: badFrom - 1, goodUpTo: 0, fireAfterMs: 0, resolveAfterMs }
}
