import type { Clock } from './clock.ts'
import { Ring, RingElement } from './ring.ts'

/** How exact deadlines are, in ms. While any is waited for, the time is looked at this often. */
const TICK_MS = 25

/** More than this between two looks, in ms, and the event loop was held up: by this process, not by a peer. */
const STALL_MS = 3 * TICK_MS

/** For what ends by itself, or by another's limit: a year, in ms, which is the longest the core takes. */
export const NO_LIMIT_MS = 365 * 24 * 60 * 60_000

/** A moment waited for. */
export class Deadline extends RingElement {
  /** In ms awake. */
  readonly atMs: number
  readonly onReached: () => void

  constructor(atMs: number, onReached: () => void) {
    super()
    this.atMs = atMs
    this.onReached = onReached
  }

  /** Ends the waiting. To be called when what was waited for has come. */
  cancel(): void {
    this.remove()
  }
}

/**
 * What peers are waited for, in time during which this process was awake.
 *
 * While the event loop is blocked, or the computer asleep, answers lie unread in the kernel; nobody can be blamed
 * for those moments, so they do not count. One timer for all deadlines, and none while nothing is waited for.
 */
export class Deadlines {
  readonly #clock: Clock
  readonly #waiting = new Ring<Deadline>()
  #awakeMs = 0
  #lookedAtMs = 0
  /** Whether there was a stall since the last tick. */
  #wasStalled = false
  /** No deadline is earlier; there may be none as early. */
  #earliestMs = Infinity
  #cancelTimer: (() => void) | undefined
  /** Of what was reached, and is told in the next turn. */
  #cancelReach: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Time awake since an arbitrary start, in ms. It stands still while nothing is waited for. */
  get awakeMs(): number {
    if (this.#cancelTimer !== undefined) this.#look()
    return this.#awakeMs
  }

  /** Deadlines waited for. */
  get size(): number {
    return this.#waiting.size
  }

  /** Has `onReached` called after `afterMs` awake, unless cancelled before. */
  add(afterMs: number, onReached: () => void): Deadline {
    if (this.#cancelTimer === undefined) {
      this.#lookedAtMs = this.#clock.now()
      this.#schedule()
    }
    const deadline = new Deadline(this.awakeMs + afterMs, onReached)
    this.#waiting.add(deadline)
    this.#earliestMs = Math.min(this.#earliestMs, deadline.atMs)
    return deadline
  }

  /** Forgets all deadlines and stops the timer. */
  clear(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#cancelReach?.()
    this.#waiting.clear()
    this.#earliestMs = Infinity
    this.#wasStalled = false
  }

  #schedule(): void {
    this.#cancelTimer = this.#clock.schedule(() => this.#tick(), TICK_MS)
  }

  #look(): void {
    const now = this.#clock.now()
    const elapsedMs = now - this.#lookedAtMs
    this.#lookedAtMs = now
    if (elapsedMs > STALL_MS) this.#wasStalled = true
    this.#awakeMs += elapsedMs > STALL_MS ? TICK_MS : elapsedMs
  }

  #tick(): void {
    this.#look()
    const wasStalled = this.#wasStalled
    this.#wasStalled = false
    this.#cancelTimer = undefined
    if (!this.#waiting.isEmpty) this.#schedule()
    // What has come in meanwhile is read before anybody is judged: by the next tick after a stall, else in the next turn
    // of the event loop, which looks at sockets before it looks at timers again.
    if (!wasStalled && this.#awakeMs >= this.#earliestMs)
      this.#cancelReach = this.#clock.schedule(() => this.#reach(), 0)
  }

  #reach(): void {
    const reached: Deadline[] = []
    this.#earliestMs = Infinity
    for (const deadline of this.#waiting) {
      if (deadline.atMs <= this.#awakeMs) reached.push(deadline)
      else this.#earliestMs = Math.min(this.#earliestMs, deadline.atMs)
    }
    // One that is reached may cancel another.
    for (const deadline of reached) if (deadline.remove()) deadline.onReached()
  }
}
