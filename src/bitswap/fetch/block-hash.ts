import { varint } from 'multiformats'
import type { CID } from 'multiformats/cid'
import type { MultihashDigest } from 'multiformats/hashes/interface'
import { sha256, sha512 } from 'multiformats/hashes/sha2'
import { textOf } from '../multihash.ts'

/** Hashes bytes; as `MultihashHasher` of multiformats. */
export interface Hasher {
  digest(data: Uint8Array, options?: { truncate?: number }): MultihashDigest | Promise<MultihashDigest>
}

/** Finds the hash function for a code of the multicodec table; `undefined` or an error if it is not known. */
export type HasherLoader = (code: number) => Hasher | undefined | Promise<Hasher | undefined>

/** Those nearly all blocks are hashed with. */
export function loadSha2(code: number): Hasher | undefined {
  return [sha256, sha512].find(hasher => hasher.code === code)
}

/** What a CID says besides the digest: version, codec, hash function and length of the digest. */
export interface Prefix {
  readonly version: number
  readonly codec: number
  readonly hashCode: number
  readonly size: number
}

/** Version 0, dag-pb, sha2-256: blocks of Bitswap 1.0.0 come without a prefix, and are all of this kind. */
const VERSION_0: Prefix = { version: 0, codec: 0x70, hashCode: 0x12, size: 32 }

/** Reads a block's prefix; `undefined` if it is none. */
export function readPrefix(bytes: Uint8Array): Prefix | undefined {
  if (bytes.length === 0) return VERSION_0
  const fields: number[] = []
  try {
    let at = 0
    while (fields.length < 4) {
      const [field, length] = varint.decode(bytes, at)
      fields.push(field)
      at += length
    }
  } catch {
    return undefined
  }
  const [version, codec, hashCode, size] = fields as [number, number, number, number]
  return { version, codec, hashCode, size }
}

/** Whether a CID is of the kind that a block's prefix says. */
export function isLike({ version, code, multihash }: CID, prefix: Prefix): boolean {
  return (
    version === prefix.version &&
    code === prefix.codec &&
    multihash.code === prefix.hashCode &&
    multihash.size === prefix.size
  )
}

/** The multihash of a block as text; `undefined` if its hash function is not known. */
export async function hashBlock(
  { hashCode, size }: Prefix,
  data: Uint8Array,
  load: HasherLoader
): Promise<string | undefined> {
  try {
    const hasher = await load(hashCode)
    return hasher && textOf((await hasher.digest(data, { truncate: size })).bytes)
  } catch {
    return undefined
  }
}
