import type { Deadline, Deadlines } from '../../core/deadlines.ts'

/** Searches under way at once, and the longest one may take, in ms: those of boxo's provider query manager. */
const MAX_SEARCHES = 8
const LIMIT_MS = 10_000

/** A search under way. */
interface Search {
  readonly controller: AbortController
  readonly deadline: Deadline
}

/** Searches for things, a few at a time and each once; the others wait for their turn. */
export class Searches<Thing> {
  readonly #deadlines: Deadlines
  readonly #search: (thing: Thing, signal: AbortSignal) => Promise<unknown>
  readonly #underWay = new Map<Thing, Search>()
  readonly #waiting = new Set<Thing>()

  constructor(deadlines: Deadlines, search: (thing: Thing, signal: AbortSignal) => Promise<unknown>) {
    this.#deadlines = deadlines
    this.#search = search
  }

  /** Has something searched for, unless that is under way. */
  add(thing: Thing): void {
    if (this.#underWay.has(thing)) return
    this.#waiting.add(thing)
    this.#startNext()
  }

  /** It is not searched for any longer. */
  delete(thing: Thing): void {
    this.#waiting.delete(thing)
    this.#underWay.get(thing)?.controller.abort()
    this.#end(thing)
  }

  #startNext(): void {
    for (const thing of this.#waiting) {
      if (this.#underWay.size >= MAX_SEARCHES) return
      this.#waiting.delete(thing)
      this.#start(thing)
    }
  }

  #start(thing: Thing): void {
    const controller = new AbortController()
    // Whoever does not heed the signal does not keep others from their turn.
    const deadline = this.#deadlines.add(LIMIT_MS, () => this.delete(thing))
    const search = { controller, deadline }
    this.#underWay.set(thing, search)
    const end = (): void => {
      if (this.#underWay.get(thing) === search) this.#end(thing)
    }
    this.#search(thing, controller.signal).then(end, end)
  }

  #end(thing: Thing): void {
    this.#underWay.get(thing)?.deadline.cancel()
    this.#underWay.delete(thing)
    this.#startNext()
  }
}
