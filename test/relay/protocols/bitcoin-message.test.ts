import { describe, expect, test } from 'vitest'
import {
  BitcoinMessageError,
  type BitcoinNetwork,
  checkPayload,
  decodeHeader,
  encodeMessage,
  HEADER_BYTES,
  MAX_PAYLOAD_BYTES,
  networkMagic
} from '../../../src/relay/protocols/bitcoin-message.ts'

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const NONE = new Uint8Array(0)

// As on https://en.bitcoin.it/wiki/Protocol_documentation.
const VERACK = hex('f9beb4d9 76657261636b000000000000 00000000 5df6e0e2')

describe('a message', () => {
  test('without a payload has the bytes that are known of it', () => {
    expect(encodeMessage('mainnet', { command: 'verack', payload: NONE })).toEqual(VERACK)
    const header = decodeHeader('mainnet', VERACK)
    expect(header).toEqual({ command: 'verack', size: 0, checksum: 0x5df6e0e2 })
    expect(() => checkPayload(header, NONE)).not.toThrow()
  })

  test.for(Object.keys(networkMagic) as BitcoinNetwork[])('of %s comes back as it was', network => {
    const payload = Uint8Array.from({ length: 300 }, (_, at) => at % 256)
    const bytes = encodeMessage(network, { command: 'abcdefghijkl', payload })
    const header = decodeHeader(network, bytes.subarray(0, HEADER_BYTES))
    expect(header).toMatchObject({ command: 'abcdefghijkl', size: 300 })
    expect(() => checkPayload(header, bytes.subarray(HEADER_BYTES))).not.toThrow()
  })

  test('may begin anywhere in what was received', () => {
    const received = new Uint8Array([1, 2, 3, ...VERACK])
    expect(decodeHeader('mainnet', received.subarray(3)).command).toBe('verack')
  })
})

describe('what is no message', () => {
  const changed = (at: number, ...bytes: number[]): Uint8Array => {
    const copy = VERACK.slice()
    copy.set(bytes, at)
    return copy
  }

  test.for<[string, Uint8Array, BitcoinNetwork]>([
    ['another network', VERACK, 'regtest'],
    ['cannot be read', changed(4, 0), 'mainnet'],
    ['cannot be read', changed(4, 0x20), 'mainnet'],
    ['cannot be read', changed(12, 0x41), 'mainnet'],
    [`${MAX_PAYLOAD_BYTES + 1} bytes`, changed(16, ...sizeBytes(MAX_PAYLOAD_BYTES + 1)), 'mainnet'],
    ['4294967295 bytes', changed(16, 255, 255, 255, 255), 'mainnet']
  ])('is told: %s', ([detail, header, network]) => {
    expect(() => decodeHeader(network, header)).toThrow(detail)
    expect(() => decodeHeader(network, header)).toThrow(BitcoinMessageError)
  })

  test('has another payload than its header was made for', () => {
    expect(() => checkPayload(decodeHeader('mainnet', VERACK), Uint8Array.of(0))).toThrow('checksum')
  })

  test('is not one of the longest payload', () => {
    expect(decodeHeader('mainnet', changed(16, ...sizeBytes(MAX_PAYLOAD_BYTES))).size).toBe(MAX_PAYLOAD_BYTES)
  })
})

function sizeBytes(size: number): number[] {
  return [size & 255, (size >> 8) & 255, (size >> 16) & 255, size >>> 24]
}
