import { varint } from 'multiformats'
import type { CID } from 'multiformats/cid'
import { writer } from 'protons-runtime'

/** What is said to a peer about a block: that it is wanted, that word of it is, or that it is wanted no more. */
type WantType = 'BLOCK' | 'HAVE' | 'CANCEL'

/** One line of a wantlist. */
export interface WantLine {
  readonly cid: CID
  readonly type: WantType
}

// Tags of Bitswap's message.proto: the field's number, and in the last three bits its wire type.
const MESSAGE_WANTLIST = (1 << 3) | 2
const WANTLIST_ENTRY = (1 << 3) | 2
const ENTRY_CID = (1 << 3) | 2
const ENTRY_PRIORITY = 2 << 3
const ENTRY_CANCEL = 3 << 3
const ENTRY_WANT_TYPE = 4 << 3
const ENTRY_SEND_DONT_HAVE = 5 << 3

/** Value of `Entry.WantType.Have`. */
const WANT_HAVE = 1

/** All blocks are wanted alike; Helia and kubo take 1 for a want of no special kind. */
const PRIORITY = 1

/**
 * A Bitswap 1.2.0 message that adds lines to the peer's wantlist, as it goes over the stream: after its length. Every
 * want asks for an answer in any case (`sendDontHave`).
 */
export function encodeWants(lines: readonly WantLine[]): Uint8Array<ArrayBuffer> {
  const message = writer()
  message.uint32(MESSAGE_WANTLIST).fork()
  for (const { cid, type } of lines) {
    message.uint32(WANTLIST_ENTRY).fork()
    message.uint32(ENTRY_CID).bytes(cid.bytes)
    message.uint32(ENTRY_PRIORITY).int32(PRIORITY)
    if (type === 'CANCEL') message.uint32(ENTRY_CANCEL).bool(true)
    if (type === 'HAVE') message.uint32(ENTRY_WANT_TYPE).int32(WANT_HAVE)
    if (type !== 'CANCEL') message.uint32(ENTRY_SEND_DONT_HAVE).bool(true)
    message.ldelim()
  }
  const body = message.ldelim().finish()
  const prefixLength = varint.encodingLength(body.length)
  const framed = new Uint8Array(prefixLength + body.length)
  varint.encodeTo(body.length, framed)
  framed.set(body, prefixLength)
  return framed
}
