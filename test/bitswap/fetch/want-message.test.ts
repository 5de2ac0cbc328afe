import { varint } from 'multiformats'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { identity } from 'multiformats/hashes/identity'
import { sha256 } from 'multiformats/hashes/sha2'
import { expect, test } from 'vitest'
import {
  BitswapMessage,
  type WantlistEntry,
  WantType
} from '../../../node_modules/@helia/bitswap/dist/src/pb/message.js'
import { encodeWants, type WantLine } from '../../../src/bitswap/fetch/want-message.ts'
import { cidOf, wants } from '../support/messages.ts'

/** What Helia reads. */
function decode(framed: Uint8Array): WantlistEntry[] {
  const [length, prefixLength] = varint.decode(framed)
  expect(framed.length).toBe(prefixLength + length)
  const { wantlist, ...others } = BitswapMessage.decode(framed.subarray(prefixLength))
  expect(others).toEqual({ blocks: [], blockPresences: [], pendingBytes: 0 })
  // Not the whole wantlist, so that what was said before stays.
  expect(wantlist!.full ?? false).toBe(false)
  return wantlist!.entries
}

test('a want asks for the block, or for word that there is none', () => {
  const cid = cidOf(1)
  const [entry] = decode(encodeWants([{ cid, type: 'BLOCK' }]))
  expect(entry).toMatchObject({ cid: cid.bytes, priority: 1, sendDontHave: true })
  expect(entry!.cancel ?? false).toBe(false)
  expect(entry!.wantType ?? WantType.WantBlock).toBe(WantType.WantBlock)
})

test('a question asks for word in any case', () => {
  const cid = cidOf(1)
  const [entry] = decode(encodeWants([{ cid, type: 'HAVE' }]))
  expect(entry).toMatchObject({ cid: cid.bytes, wantType: WantType.WantHave, sendDontHave: true })
  expect(entry!.cancel ?? false).toBe(false)
})

test('a cancel asks for nothing', () => {
  const cid = cidOf(1)
  const [entry] = decode(encodeWants([{ cid, type: 'CANCEL' }]))
  expect(entry).toMatchObject({ cid: cid.bytes, cancel: true })
  expect(entry!.sendDontHave ?? false).toBe(false)
})

test('lines come in the order they were said in', () => {
  const lines: WantLine[] = [
    { cid: cidOf(3), type: 'CANCEL' },
    { cid: cidOf(1), type: 'BLOCK' },
    { cid: cidOf(2), type: 'HAVE' }
  ]
  const read = decode(encodeWants(lines)).map(({ cid }) => CID.decode(cid).toString())
  expect(read).toEqual(lines.map(({ cid }) => cid.toString()))
})

test('CIDs of all kinds go as they are', async () => {
  const digest = await sha256.digest(Uint8Array.of(1))
  const cids = [
    CID.createV0(digest),
    CID.createV1(0x70, digest),
    CID.createV1(raw.code, identity.digest(new Uint8Array(300)))
  ]
  const entries = decode(encodeWants(cids.map(cid => ({ cid, type: 'BLOCK' }))))
  expect(entries.map(({ cid }) => Uint8Array.from(cid))).toEqual(cids.map(({ bytes }) => bytes))
})

test.each([1, 2, 3, 400])('it is what Helia would say: %d lines', count => {
  const cids = Array.from({ length: count }, (_, number) => cidOf(number))
  const ours = encodeWants(cids.map(cid => ({ cid, type: 'BLOCK' })))
  // Helia says which kind it is even where that is the default.
  expect(decode(ours)).toEqual(decode(wants(cids)))
})

test('nothing to say is a message all the same', () => {
  expect(decode(encodeWants([]))).toEqual([])
})
