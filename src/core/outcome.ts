/**
 * How an admitted call ended: `success`, `failure` (the target's fault), or `ignored` (nobody's, or ours: it
 * says nothing about the target).
 */
export type Outcome = 'success' | 'failure' | 'ignored'

/** Outcomes as the integers the inner form works with. */
export const SUCCESS = 0
export const FAILURE = 1
export const IGNORED = 2

/** {@link Outcome} to integer. */
export const outcomeCodes: Readonly<Record<Outcome, number>> = Object.freeze({
  success: SUCCESS,
  failure: FAILURE,
  ignored: IGNORED
})
