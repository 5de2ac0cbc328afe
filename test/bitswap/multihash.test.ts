import { CID, digest } from 'multiformats'
import { identity } from 'multiformats/hashes/identity'
import { sha256, sha512 } from 'multiformats/hashes/sha2'
import { expect, test } from 'vitest'
import { readMultihash, textOf } from '../../src/bitswap/multihash.ts'

const DATA = Uint8Array.from({ length: 200 }, (_, at) => at)
const [DAG_PB, RAW, DAG_JSON] = [0x70, 0x55, 0x0129]

const cids = {
  'of version 0': CID.createV0(await sha256.digest(DATA)),
  'of version 1': CID.createV1(RAW, await sha256.digest(DATA)),
  'with a codec of two bytes': CID.createV1(DAG_JSON, await sha512.digest(DATA)),
  'with a hash function of three bytes': CID.createV1(DAG_PB, digest.create(0x1_0000, DATA.subarray(0, 16))),
  'with a digest whose length takes two bytes': CID.createV1(RAW, identity.digest(DATA)),
  'with an empty digest': CID.createV1(RAW, identity.digest(new Uint8Array(0)))
}

test.for(Object.entries(cids))('a CID %s has its multihash', ([, cid]) => {
  expect(readMultihash(cid.bytes)).toBe(textOf(cid.multihash.bytes))
})

test.for(Object.entries(cids))('a CID %s that lacks bytes, or has too many, has none', ([, { bytes }]) => {
  for (let size = 0; size < bytes.length; size++)
    expect(readMultihash(bytes.subarray(0, size))).toBe(undefined)
  expect(readMultihash(Uint8Array.of(...bytes, 0))).toBe(undefined)
})

test('what is no CID has none', () => {
  expect(readMultihash(Uint8Array.of(2, 0x55, 0x12, 0))).toBe(undefined)
  expect(readMultihash(new Uint8Array(256).fill(0xff))).toBe(undefined)
  expect(readMultihash(Uint8Array.of(1, ...new Uint8Array(255).fill(0xff)))).toBe(undefined)
})
