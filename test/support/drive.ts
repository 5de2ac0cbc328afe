import type { Outcome, Protection } from '../../src/core/index.ts'
import { RejectedError } from '../../src/core/index.ts'

/** What calls can be made to: a breaker, or one target of a protection. */
export interface Target {
  admit(): { settle(outcome: Outcome): boolean }
}

/** One target of a protection. */
export function targetOf(protection: Protection, key: string): Target {
  return { admit: () => protection.admit(key) }
}

/** Makes `times` calls, one after the other, each of which succeeds. */
export function succeed(target: Target, times = 1): void {
  call(target, 'success', times)
}

/** Makes `times` calls, one after the other, each of which fails. */
export function fail(target: Target, times = 1): void {
  call(target, 'failure', times)
}

/** Makes `times` calls, one after the other, whose ends count for nothing. */
export function ignore(target: Target, times = 1): void {
  call(target, 'ignored', times)
}

function call(target: Target, outcome: Outcome, times: number): void {
  for (let made = 0; made < times; made++) target.admit().settle(outcome)
}

/** Asks for a call that must not be admitted; returns the error that said so. */
export function reject(target: Target): RejectedError {
  try {
    target.admit()
  } catch (error) {
    if (error instanceof RejectedError) return error
    throw error
  }
  throw new Error('The call was admitted')
}

/** Whether one call is admitted; if so it ends at once with `outcome`. */
export function offer(target: Target, outcome: Outcome): boolean {
  try {
    target.admit().settle(outcome)
    return true
  } catch (error) {
    if (error instanceof RejectedError) return false
    throw error
  }
}

/** Lets every promise that can settle without time passing do so. */
export function settlePromises(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
