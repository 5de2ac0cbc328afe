import { varint } from 'multiformats'
import type { CID } from 'multiformats/cid'
import { reader, writer } from 'protons-runtime'

// Messages of Bitswap 1.2.0 by its message.proto, so that what is sent owes nothing to the Bitswap that is tested.

/** One line of a wantlist. */
export interface Want {
  readonly cid: Uint8Array
  readonly kind: 'BLOCK' | 'HAVE' | 'CANCEL'
  /** Whether the asker wants to be told that the block is lacking. */
  readonly sendDontHave: boolean
}

/** What is said to one want. */
export type Answer =
  | { readonly cid: CID; readonly kind: 'BLOCK'; readonly data: Uint8Array }
  | { readonly cid: CID; readonly kind: 'HAVE' | 'DONT_HAVE' }

// Numbers of fields; their wire type is in the last three bits of a tag.
const MESSAGE_WANTLIST = 1
const WANTLIST_ENTRY = 1
const ENTRY_CID = 1
const ENTRY_CANCEL = 3
const ENTRY_WANT_TYPE = 4
const ENTRY_SEND_DONT_HAVE = 5
const MESSAGE_PAYLOAD = (3 << 3) | 2
const BLOCK_PREFIX = (1 << 3) | 2
const BLOCK_DATA = (2 << 3) | 2
const MESSAGE_PRESENCES = (4 << 3) | 2
const PRESENCE_CID = (1 << 3) | 2
const PRESENCE_TYPE = 2 << 3

/** Value of `Entry.WantType.Have`, and of `BlockPresenceType.DontHave`. */
const WANT_HAVE = 1
const DONT_HAVE = 1

type Reader = ReturnType<typeof reader>

/** Reads the wants of a message; all else in it is passed over. */
export function decodeWants(message: Uint8Array): Want[] {
  const wants: Want[] = []
  const input = reader(message)
  eachField(input, input.len, field => {
    if (field !== MESSAGE_WANTLIST) return false
    eachField(input, endOfBytes(input), ofList => {
      if (ofList !== WANTLIST_ENTRY) return false
      wants.push(decodeEntry(input, endOfBytes(input)))
      return true
    })
    return true
  })
  return wants
}

function decodeEntry(input: Reader, end: number): Want {
  let cid: Uint8Array = new Uint8Array()
  let isCancel = false
  let isHave = false
  let sendDontHave = false
  eachField(input, end, field => {
    if (field === ENTRY_CID) cid = input.bytes()
    else if (field === ENTRY_CANCEL) isCancel = input.bool()
    else if (field === ENTRY_WANT_TYPE) isHave = input.int32() === WANT_HAVE
    else if (field === ENTRY_SEND_DONT_HAVE) sendDontHave = input.bool()
    else return false
    return true
  })
  return { cid, kind: isCancel ? 'CANCEL' : isHave ? 'HAVE' : 'BLOCK', sendDontHave }
}

/** Where the bytes end that begin here. */
function endOfBytes(input: Reader): number {
  const length = input.uint32()
  return input.pos + length
}

/** @param read - reads a field's value; returns false if it is to be skipped */
function eachField(input: Reader, end: number, read: (field: number) => boolean): void {
  while (input.pos < end) {
    const tag = input.uint32()
    if (!read(tag >>> 3)) input.skipType(tag & 7)
  }
}

/** A message with answers, as it goes over a stream: after its length. */
export function encodeAnswers(answers: readonly Answer[]): Uint8Array<ArrayBuffer> {
  const message = writer()
  for (const answer of answers) {
    if (answer.kind === 'BLOCK') {
      message.uint32(MESSAGE_PAYLOAD).fork()
      message.uint32(BLOCK_PREFIX).bytes(prefixOf(answer.cid))
      message.uint32(BLOCK_DATA).bytes(answer.data)
    } else {
      message.uint32(MESSAGE_PRESENCES).fork()
      message.uint32(PRESENCE_CID).bytes(answer.cid.bytes)
      message.uint32(PRESENCE_TYPE).int32(answer.kind === 'DONT_HAVE' ? DONT_HAVE : 0)
    }
    message.ldelim()
  }
  const body = message.finish()
  const prefix = varintOf(body.length)
  const framed = new Uint8Array(prefix.length + body.length)
  framed.set(prefix)
  framed.set(body, prefix.length)
  return framed
}

/** A CID without the digest: whoever gets the block hashes it. */
function prefixOf({ version, code, multihash }: CID): Uint8Array {
  return Uint8Array.from(
    [version, code, multihash.code, multihash.size].flatMap(number => [...varintOf(number)])
  )
}

function varintOf(number: number): Uint8Array {
  return varint.encodeTo(number, new Uint8Array(varint.encodingLength(number)))
}
