import type { Happening } from './happening.ts'
import type { Snapshot } from './snapshot.ts'

/** How it all ended. */
export interface Summary extends Snapshot {
  readonly exitCode: number
  readonly durationMs: number
}

/** Shows what happens, and now and then how things stand, until it is disposed of. */
export interface Display extends Disposable {
  tell(happening: Happening): void
  /** Shows how it all ended. Nothing comes after it. */
  conclude(summary: Summary): void
}
