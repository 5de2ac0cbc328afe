import type { Supplier } from './supplier.ts'

/** What has to be known of peers to tell who is left. */
export interface CandidateContext {
  suppliers(): Iterable<Supplier>
  /** Whether a peer may be asked now. */
  mayAsk(supplier: Supplier): boolean
}

/**
 * Who is left to ask for one block: whoever is connected, has room, may be asked, has not been asked since the last retry, and
 * is not known to lack the block.
 */
export class Candidates {
  readonly #context: CandidateContext
  readonly #multihash: string
  /** Who was asked, and is not asked again before the next retry. */
  readonly #asked = new Set<Supplier>()
  /** Who was asked whether it has the block, and has not said so. */
  readonly #wantsWord = new Set<Supplier>()
  /** Who has told this fetch that it lacks the block; if that changes, it sends it. */
  readonly #lacking = new Set<Supplier>()
  /** Whether that is believed which peers have told other fetches: it may be different by now. */
  #believesOthers = true

  constructor(context: CandidateContext, multihash: string) {
    this.#context = context
    this.#multihash = multihash
  }

  /** How many are still to say whether they have the block. */
  get wordsDue(): number {
    return this.#wantsWord.size
  }

  /** A peer was asked: it is not asked again before the next retry. */
  asked(supplier: Supplier): void {
    this.#asked.add(supplier)
  }

  /** A peer was asked whether it has the block. It can be asked for the block once it has said so. */
  askedForWord(supplier: Supplier): void {
    this.#wantsWord.add(supplier)
  }

  /** Its word is not waited for any longer. */
  endWord(supplier: Supplier): void {
    this.#wantsWord.delete(supplier)
  }

  /** It says that it has the block, so it can be asked for it. Returns whether it was asked already. */
  promised(supplier: Supplier): boolean {
    this.#wantsWord.delete(supplier)
    return this.#asked.delete(supplier)
  }

  /** It says that it lacks the block. */
  lacked(supplier: Supplier): void {
    this.#lacking.add(supplier)
  }

  /** Those can be asked again who have said nothing in time. */
  retry(): void {
    for (const supplier of this.#asked)
      if (supplier.asks.get(this.#multihash)?.isOverdue !== false) this.#asked.delete(supplier)
  }

  /** What peers have told other fetches is not believed any longer. */
  doubtOthers(): void {
    this.#believesOthers = false
  }

  /** The peer is gone. */
  forget(supplier: Supplier): void {
    this.#asked.delete(supplier)
    this.#wantsWord.delete(supplier)
    this.#lacking.delete(supplier)
  }

  /** Whether a peer can be asked, be its word due or not. */
  has(supplier: Supplier): boolean {
    return !supplier.isFull && this.#isMeant(supplier)
  }

  /** Who can be asked, except those whose word is due. */
  list(): Supplier[] {
    return this.#wordless().filter(supplier => this.has(supplier))
  }

  /** Who could be asked if it had room, except those whose word is due. */
  full(): Supplier[] {
    return this.#wordless().filter(supplier => supplier.isFull && this.#isMeant(supplier))
  }

  #wordless(): Supplier[] {
    return [...this.#context.suppliers()].filter(supplier => !this.#wantsWord.has(supplier))
  }

  #isMeant(supplier: Supplier): boolean {
    return (
      !this.#asked.has(supplier) &&
      !this.#lacking.has(supplier) &&
      !(this.#believesOthers && supplier.lacks(this.#multihash)) &&
      this.#context.mayAsk(supplier)
    )
  }

  /** Whether somebody has only to have room. */
  get mayHaveRoom(): boolean {
    return [...this.#context.suppliers()].some(supplier => this.#isLeft(supplier))
  }

  /** Whether that is so of somebody who ever delivered a block. */
  get mayKnownHaveRoom(): boolean {
    return [...this.#context.suppliers()].some(supplier => supplier.pace.isKnown && this.#isLeft(supplier))
  }

  /** Whether a peer can be asked once it has room. */
  #isLeft(supplier: Supplier): boolean {
    return !this.#asked.has(supplier) && !supplier.lacks(this.#multihash) && this.#context.mayAsk(supplier)
  }
}
