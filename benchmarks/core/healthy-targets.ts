import type { Protection, ProtectionOptions } from 'bitswap-protection/core'
import { seededRandom } from '../harness.ts'
import { peerId } from './subjects.ts'

/** How many slots are picked at random: a power of two. */
export const PICKS = 1 << 20

export const SUCCESS = 0

/** Calls that make a target HEALTHY, after which nothing about it changes while its calls end well. */
const FIRST_CALLS = 5

/** Protection with records of so many HEALTHY targets, in slots 1 to `targets`. */
export async function protectionOf(
  targets: number,
  options: Partial<ProtectionOptions> = {}
): Promise<Protection> {
  const { ManualClock, Protection } = await import('bitswap-protection/core')
  const protection = new Protection({ maxTargets: targets, ...options }, { clock: new ManualClock() })
  const { table } = protection
  for (let target = 0; target < targets; target++) {
    const slot = protection.slot(peerId(target), 0)
    for (let call = 0; call < FIRST_CALLS; call++) table.settle(slot, table.admit(slot, 0), SUCCESS, 0)
  }
  return protection
}

/** Slots to call, at random out of 1 to `targets`; the same ones in every run. */
export function randomSlots(targets: number): Int32Array {
  const random = seededRandom(targets)
  return Int32Array.from({ length: PICKS }, () => 1 + Math.floor(random() * targets))
}
