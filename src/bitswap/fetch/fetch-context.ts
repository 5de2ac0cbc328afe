import type { Ask, AskKind } from './ask.ts'
import type { BlockFetch } from './block-fetch.ts'
import type { ChoiceContext } from './choice.ts'
import type { HedgeContext } from './hedge.ts'
import type { ProbeContext } from './probe.ts'
import type { Supplier } from './supplier.ts'

/** What a fetch needs of whoever runs it. */
export interface FetchContext extends ChoiceContext, HedgeContext, ProbeContext {
  /** Whether nothing arrives from so many that this node may be cut off. */
  readonly isOutage: boolean
  /** When a block came last, whichever and from whomever, in ms awake. */
  readonly lastBlockMs: number
  /** Asks a peer; `undefined` if it may not be asked after all. */
  ask(supplier: Supplier, fetch: BlockFetch, kind: AskKind): Ask | undefined
  /** Takes back what was asked of a peer for this fetch. */
  withdraw(supplier: Supplier, fetch: BlockFetch): void
  /** Notes that a peer takes longer than most. */
  isTakingLong(ask: Ask): void
  /** Lets all fetches ask whom they can: somebody is not as quick as was expected. */
  advanceAll(): void
  /** Whether a second request may be made now. */
  takeHedge(): boolean
  /** Notes that another was quicker with a block that a peer is waited for. */
  outran(supplier: Supplier): void
  /** Connects to more of the providers that were given. */
  connectMore(fetch: BlockFetch): void
  /** Looks for more providers, if that is not under way. */
  search(fetch: BlockFetch): void
  /** Nobody wants it any more, or it is there. */
  onOver(fetch: BlockFetch): void
}
