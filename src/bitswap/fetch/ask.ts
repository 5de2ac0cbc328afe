import type { CID } from 'multiformats/cid'
import type { Deadline } from '../../core/deadlines.ts'
import type { Supplier } from './supplier.ts'

/** What a peer is asked: for a block, or whether it has it. */
export type AskKind = 'BLOCK' | 'HAVE'

/** One question to one peer, which is one call to it. Times are in ms awake. */
export class Ask {
  readonly supplier: Supplier
  readonly cid: CID
  readonly multihash: string
  readonly kind: AskKind
  readonly askedAtMs: number
  /** Its place among all that the peer was waited for then: 1 if there was nothing else. */
  readonly place: number
  /** The call it is in the core's table. */
  readonly slot: number
  readonly token: number
  /** Whether the peer was still being tried out. */
  readonly isTrial: boolean
  /** What the peer had sent when its progress was last looked at. */
  seenBytes: number
  /** Whether its time is up; it is listened for still. */
  isOverdue = false
  deadline: Deadline | undefined

  constructor(
    supplier: Supplier,
    cid: CID,
    multihash: string,
    kind: AskKind,
    askedAtMs: number,
    slot: number,
    token: number
  ) {
    this.supplier = supplier
    this.cid = cid
    this.multihash = multihash
    this.kind = kind
    this.askedAtMs = askedAtMs
    this.slot = slot
    this.token = token
    this.place = supplier.waiting + 1
    this.isTrial = supplier.isOnTrial
    this.seenBytes = supplier.receivedBytes
  }

  /** Whether the peer has sent nothing at all since it was asked, or since its progress was last looked at. */
  get isSilent(): boolean {
    return this.supplier.receivedBytes === this.seenBytes
  }
}
