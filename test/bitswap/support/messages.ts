import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { sha256 } from 'multiformats/hashes/sha2'
import {
  BitswapMessage,
  type BitswapMessageInput,
  BlockPresenceType
} from '../../../node_modules/@helia/bitswap/dist/src/pb/message.js'

/** A CID that no block of these tests has; the same for the same number. */
export function cidOf(number: number): CID {
  const bytes = new Uint8Array(32)
  new DataView(bytes.buffer).setUint32(0, number)
  return CID.createV1(raw.code, Digest.create(sha256.code, bytes))
}

/** A block and its CID. */
export interface TestBlock {
  readonly cid: CID
  readonly data: Uint8Array
  /** The CID without its digest, as Bitswap sends it along. */
  readonly prefix: Uint8Array
}

/** @param bytes - its size; a few if not given */
export async function blockOf(number: number, bytes?: number): Promise<TestBlock> {
  const text = new TextEncoder().encode(`block ${number}`)
  const data = bytes === undefined ? text : new Uint8Array(bytes)
  data.set(text)
  return { cid: CID.createV1(raw.code, await sha256.digest(data)), data, prefix: PREFIX }
}

/** CID version 1, raw, sha2-256, 32 bytes. */
const PREFIX = Uint8Array.of(1, raw.code, sha256.code, 32)

/** How one want is worded. */
export interface WantWording {
  readonly cancel?: boolean
  readonly sendDontHave?: boolean
}

/** A message that says nothing: an empty wantlist. */
export const NOTHING = Uint8Array.of(2, 0x0a, 0)

/** A message that asks for blocks, as it goes over the stream. */
export function wants(cids: readonly CID[], { cancel, sendDontHave = true }: WantWording = {}): Uint8Array {
  const entries = cids.map(cid => ({ cid: cid.bytes, priority: 1, cancel, sendDontHave }))
  return framed({ wantlist: { full: false, entries } })
}

export function blocks(...sent: ReadonlyArray<Pick<TestBlock, 'prefix' | 'data'>>): Uint8Array {
  return framed({ blocks: sent.map(({ prefix, data }) => ({ prefix, data })) })
}

export function have(...cids: readonly CID[]): Uint8Array {
  return presences(cids, BlockPresenceType.HaveBlock)
}

export function dontHave(...cids: readonly CID[]): Uint8Array {
  return presences(cids, BlockPresenceType.DoNotHaveBlock)
}

function presences(cids: readonly CID[], type: BlockPresenceType): Uint8Array {
  return framed({ blockPresences: cids.map(cid => ({ cid: cid.bytes, type })) })
}

function framed(message: BitswapMessageInput): Uint8Array {
  const bytes = BitswapMessage.encode(message)
  return Uint8Array.of(...varint(bytes.length), ...bytes)
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]
}
