import type { Deadlines } from '../../core/deadlines.ts'
import type { CandidateContext, Candidates } from './candidates.ts'
import { isAsGood, pickAmongBest, type Ranked, rank, type Standing } from './ranking.ts'
import type { Supplier } from './supplier.ts'

/** What has to be known to choose whom to ask. */
export interface ChoiceContext extends CandidateContext {
  readonly deadlines: Deadlines
  readonly random: () => number
  /** How many blocks are being fetched. */
  readonly wanted: number
  standing(supplier: Supplier): Standing
}

/** Whom to ask next for one block: the best of those who can be asked, or nobody yet, if who has no room is worth waiting for. */
export class Choice {
  readonly #context: ChoiceContext
  readonly #candidates: Candidates
  readonly #multihash: string
  #isPatient = false

  constructor(context: ChoiceContext, candidates: Candidates, multihash: string) {
    this.#context = context
    this.#candidates = candidates
    this.#multihash = multihash
  }

  /** Whether it was better to wait for somebody who had no room, when it was last to choose. */
  get isPatient(): boolean {
    return this.#isPatient
  }

  /** Whether any peer that is connected ever delivered a block. */
  get isAnybodyKnown(): boolean {
    for (const { pace } of this.#context.suppliers()) if (pace.isKnown) return true
    return false
  }

  /** Of those that stand as any other, who never delivered anything is told apart, unless he says that he has this block. */
  readonly standingOf = (supplier: Supplier): Standing => {
    const standing = this.#context.standing(supplier)
    const isKnown = supplier.pace.isKnown || supplier.hasPromised(this.#multihash)
    return standing === 'ORDINARY' && !isKnown ? 'UNKNOWN' : standing
  }

  /** Who can be asked of those that stand best, the best first. */
  ranked(): Ranked[] {
    return this.#rank(this.#candidates.list())
  }

  /**
   * Whom to ask, except those. Who may never send anything is not asked for more than one block while one that is known will
   * have room.
   *
   * @param mayWait - whether to choose nobody if it is better to wait
   */
  next(except: ReadonlySet<Supplier>, mayWait: boolean): Supplier | undefined {
    const mayKnownHaveRoom = this.#candidates.mayKnownHaveRoom
    const isMeant = ({ supplier }: Ranked): boolean =>
      !except.has(supplier) && !(mayKnownHaveRoom && supplier.isFirstBlockDue)
    const ranked = this.ranked().filter(isMeant)
    this.#isPatient = mayWait && this.#isBetterToWait(ranked[0])
    return this.#isPatient ? undefined : pickAmongBest(ranked, this.#context.random)
  }

  /**
   * Whether somebody is expected to deliver the block sooner than the best of those that have room, although he has none. Who is
   * not known is asked instead, unless one that is known would soon have delivered all there is to fetch.
   */
  #isBetterToWait(best: Ranked | undefined): boolean {
    const full =
      best === undefined ? [] : this.#candidates.full().filter(supplier => this.#isReliable(supplier))
    if (best === undefined || full.length === 0) return false
    if (this.#isReliable(best.supplier))
      return this.#rank([best.supplier, ...full])[0]!.supplier !== best.supplier
    const { deadlines, wanted } = this.#context
    const allMs = full.map(({ pace }) => pace.expectedMs(deadlines.awakeMs, Infinity, wanted))
    return this.standingOf(best.supplier) === 'UNKNOWN' && !isAsGood(best.costMs, Math.min(...allMs))
  }

  #isReliable(supplier: Supplier): boolean {
    return supplier.pace.isKnown && this.#context.standing(supplier) === 'ORDINARY'
  }

  #rank(suppliers: readonly Supplier[]): Ranked[] {
    return rank(suppliers, this.#multihash, this.standingOf, this.#context.deadlines.awakeMs)
  }
}
