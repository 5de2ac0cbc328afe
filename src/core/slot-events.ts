/** What a table tells of, by slot. */
export const protectionEventTypes = [
  'circuit:open',
  'circuit:half-open',
  'circuit:close',
  'recovery:start',
  'recovery:complete',
  'recovery:relapse',
  'health:change',
  'isolate',
  'release'
] as const

export type ProtectionEventType = (typeof protectionEventTypes)[number]

/** Called when a public operation of the table that changed something is complete. */
export type SlotEventHandler = (
  type: ProtectionEventType,
  slot: number,
  from: number,
  to: number,
  nowMs: number
) => void

/** Events that are noted while something changes, and told in that order when the change is complete. */
export class SlotEvents {
  readonly #onEvent: SlotEventHandler
  readonly #noted: Array<Parameters<SlotEventHandler>> = []
  #told = 0
  /** Whether there is nothing to tell. A field, because each call looks at it. */
  isEmpty = true

  constructor(onEvent: SlotEventHandler) {
    this.#onEvent = onEvent
  }

  note(type: ProtectionEventType, slot: number, from: number, to: number, nowMs: number): void {
    this.#noted.push([type, slot, from, to, nowMs])
    this.isEmpty = false
  }

  tell(): void {
    // Who is told may cause further events; those come after all there are now.
    while (this.#told < this.#noted.length) this.#onEvent(...this.#noted[this.#told++]!)
    this.#noted.length = 0
    this.#told = 0
    this.isEmpty = true
  }
}
