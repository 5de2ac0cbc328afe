import { varint } from 'multiformats'

/** Code of sha2-256 in the multicodec table. */
const SHA2_256 = 0x12

/**
 * The multihash of a CID as text, `undefined` if there is none. It is what follows version and codec; a CID of version
 * 0 is nothing else. Not `CID.decode`, which does more than is needed for each want of each peer.
 */
export function readMultihash(cid: Uint8Array): string | undefined {
  if (cid[0] !== SHA2_256 && cid[0] !== 1) return undefined
  const start = cid[0] === 1 ? endOfVarint(cid, 1) : 0
  const sizeStart = endOfVarint(cid, start)
  const digestStart = endOfVarint(cid, sizeStart)
  return cid.length === digestStart + varintAt(cid, sizeStart) ? textOf(cid.subarray(start)) : undefined
}

/** The varint that begins at `from`: seven bits in each byte, the lowest first. */
function varintAt(bytes: Uint8Array, from: number): number {
  const end = endOfVarint(bytes, from)
  let value = 0
  for (let at = end - 1; at >= from; at--) value = value * 0x80 + (bytes[at]! & 0x7f)
  return value
}

/** Where the varint that begins at `from` ends: the last byte of one is below 0x80. */
function endOfVarint(bytes: Uint8Array, from: number): number {
  let at = from
  while (bytes[at]! >= 0x80) at++
  return at + 1
}

/** Bytes as text, one character for each: a key for maps. */
export function textOf(bytes: Uint8Array): string {
  // As arguments, without an iterator between: this is done for each want and presence.
  return String.fromCharCode.apply(undefined, bytes as unknown as number[])
}

/** Whether the CIDs a block's prefix (version, codec, hash function, length) stands for are of sha2-256. */
export function isSha256(prefix: Uint8Array): boolean {
  // Bitswap 1.0.0 has none: its CIDs are all of version 0.
  if (prefix.length === 0) return true
  try {
    let at = 0
    let value = 0
    for (let field = 0; field < 3; field++) {
      const [decoded, length] = varint.decode(prefix, at)
      value = decoded
      at += length
    }
    return value === SHA2_256
  } catch {
    return false
  }
}
