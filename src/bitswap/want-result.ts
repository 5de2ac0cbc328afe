import { FAILURE, SUCCESS } from '../core/index.ts'

/** What came of a want: an answer, none, or nothing that tells of the peer. */
export type WantResult = 'answered' | 'failed' | 'ignored'

/** @param outcome - of the call that the want is in the core */
export function resultOf(outcome: number): WantResult {
  if (outcome === SUCCESS) return 'answered'
  return outcome === FAILURE ? 'failed' : 'ignored'
}
