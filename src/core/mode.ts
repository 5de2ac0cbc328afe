import { InvalidOptionError } from './errors.ts'
import { oneOf } from './options.ts'

/** enforce: reject. observe: only record what would have been rejected. off: do nothing at all. */
export type Mode = 'enforce' | 'observe' | 'off'

export const modes: readonly Mode[] = Object.freeze(['enforce', 'observe', 'off'])

const modeRule = oneOf(modes)

/** @throws InvalidOptionError */
export function checkMode(mode: Mode): Mode {
  if (!modeRule.accepts(mode)) throw new InvalidOptionError('mode', mode, modeRule.allowed)
  return mode
}
