import type { Supplier } from './supplier.ts'

/** If so many fetches in a row find that they do better to wait for somebody who has no room, others do that were to wait. */
const MAX_PATIENT = 4

/** A fetch that may be able to ask somebody. */
export interface Advancing {
  /** Whether a peer is waited for. */
  readonly isWaiting: boolean
  /** Whether it did better to wait for somebody who had no room, when it was last to ask. */
  readonly isPatient: boolean
  advance(): void
}

/**
 * Lets those fetches ask that wait for nobody, one after the other, until nobody has room.
 *
 * @param suppliers - who may be asked
 */
export function advanceAll(fetches: readonly Advancing[], suppliers: () => readonly Supplier[]): void {
  let patient = 0
  for (const fetch of fetches) {
    if (fetch.isWaiting || (fetch.isPatient && patient === MAX_PATIENT)) continue
    // With thousands of fetches, most would find out at some cost that nobody has room.
    if (isEverybodyBusy(suppliers())) return
    fetch.advance()
    patient = fetch.isPatient ? patient + 1 : 0
  }
}

/** Whether all have enough to do. Who may never send anything has with one block, while there are others. */
function isEverybodyBusy(suppliers: readonly Supplier[]): boolean {
  const isAnyKnown = suppliers.some(({ pace }) => pace.isKnown)
  const isBusy = (supplier: Supplier): boolean => supplier.isFull || (isAnyKnown && supplier.isFirstBlockDue)
  return suppliers.length > 0 && suppliers.every(isBusy)
}
