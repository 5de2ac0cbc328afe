import { varint } from 'multiformats'
import { CID } from 'multiformats/cid'
import { sha256, sha512 } from 'multiformats/hashes/sha2'
import { describe, expect, test } from 'vitest'
import {
  type Hasher,
  hashBlock,
  isLike,
  loadSha2,
  readPrefix
} from '../../../src/bitswap/fetch/block-hash.ts'
import { textOf } from '../../../src/bitswap/multihash.ts'

const DATA = new TextEncoder().encode('a block')

function prefixOf(...fields: readonly number[]): Uint8Array {
  return Uint8Array.from(
    fields.flatMap(field => [...varint.encodeTo(field, new Uint8Array(varint.encodingLength(field)))])
  )
}

describe('a prefix', () => {
  test('says version, codec, hash function and length', () => {
    expect(readPrefix(prefixOf(1, 0x55, 0x12, 32))).toEqual({
      version: 1,
      codec: 0x55,
      hashCode: 0x12,
      size: 32
    })
  })

  test('may have numbers of several bytes', () => {
    const fields = { version: 1, codec: 0x0129, hashCode: 0xb220, size: 200 }
    expect(readPrefix(prefixOf(...Object.values(fields)))).toEqual(fields)
  })

  test('that is empty is that of Bitswap 1.0.0: CIDs of version 0', async () => {
    const { version, code, multihash } = CID.createV0(await sha256.digest(DATA))
    expect(readPrefix(new Uint8Array(0))).toEqual({
      version,
      codec: code,
      hashCode: multihash.code,
      size: multihash.size
    })
  })

  test.each([
    ['stops early', Uint8Array.of(1, 0x55, 0x12)],
    ['stops within a number', Uint8Array.of(1, 0x55, 0x12, 0x80)],
    ['has a number without end', new Uint8Array(64).fill(0xff)],
    ['has a number that is longer than it needs to be', Uint8Array.of(1, 0x55, 0x92, 0x00, 32)]
  ])('that %s is none', (_, bytes) => {
    expect(readPrefix(bytes)).toBe(undefined)
  })
})

describe('the hash of a block', () => {
  test.each([sha256, sha512])('is its multihash as text: $name', async hasher => {
    const { bytes, size } = await hasher.digest(DATA)
    const prefix = { version: 1, codec: 0x55, hashCode: hasher.code, size }
    expect(await hashBlock(prefix, DATA, loadSha2)).toBe(textOf(bytes))
  })

  test('is as short as the prefix says', async () => {
    const { bytes } = await sha256.digest(DATA, { truncate: 20 })
    const prefix = { version: 1, codec: 0x55, hashCode: sha256.code, size: 20 }
    expect(await hashBlock(prefix, DATA, loadSha2)).toBe(textOf(bytes))
  })

  test('is by a function that is loaded, if there is one', async () => {
    const own: Hasher = { digest: (data, options) => sha512.digest(data, options) }
    const prefix = { version: 1, codec: 0x55, hashCode: 0x1e, size: 64 }
    const { bytes } = await sha512.digest(DATA)
    expect(await hashBlock(prefix, DATA, async code => (code === 0x1e ? own : undefined))).toBe(textOf(bytes))
  })

  const known = { version: 1, codec: 0x55, hashCode: sha256.code, size: 32 }
  test.each([
    ['nobody knows the function', { ...known, hashCode: 0x1e }, loadSha2],
    ['loading it fails', known, () => Promise.reject(new Error('no such hash'))],
    [
      'loading it throws',
      known,
      () => {
        throw new Error('no such hash')
      }
    ],
    ['it is said to be longer than it can be', { ...known, size: 33 }, loadSha2],
    ['it is said to be so short that it proves nothing', { ...known, size: 4 }, loadSha2]
  ])('is unknown when %s', async (_, prefix, load) => {
    expect(await hashBlock(prefix, DATA, load)).toBe(undefined)
  })
})

describe('a CID is of the kind a prefix says', () => {
  const prefix = { version: 1, codec: 0x55, hashCode: 0x12, size: 32 }

  test.each([
    ['if they agree', prefix, true],
    ['not with another version', { ...prefix, version: 0 }, false],
    ['not with another codec', { ...prefix, codec: 0x70 }, false],
    ['not with another hash function', { ...prefix, hashCode: 0x13 }, false],
    ['not with another length', { ...prefix, size: 20 }, false]
  ])('%s', async (_, other, expected) => {
    expect(isLike(CID.createV1(0x55, await sha256.digest(DATA)), other)).toBe(expected)
  })
})
