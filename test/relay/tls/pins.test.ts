import { X509Certificate } from 'node:crypto'
import { expect, test } from 'vitest'
import { parsePins, pinOf } from '../../../src/relay/tls/pins.ts'
import { Authority } from '../support/certificates.ts'

const PIN = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='
const OTHER = 'BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA='

test('the pin of a certificate is the SHA-256 of its public key', async () => {
  const { certificate, pin } = await (await Authority.create()).issue({ names: ['relay.test'] })
  expect(pinOf(new X509Certificate(certificate))).toBe(pin)
})

test('pins are taken as RFC 7469, curl and others write them', () => {
  expect(parsePins([PIN, `sha256/${OTHER}`, `sha256//${OTHER}`], 'pins')).toEqual(new Set([PIN, OTHER]))
})

test.for([
  ['pins', []],
  ['pins', Array(17).fill(PIN)],
  ['pins', PIN],
  ['pins[1]', [PIN, 'sha256/short']],
  ['pins[0]', [`sha1/${PIN}`]],
  ['pins[0]', [PIN.slice(1)]],
  ['pins[0]', [`${PIN} `]],
  ['pins[0]', [42]]
] as const)('anything else is told: %s', ([option, pins]) => {
  expect(() => parsePins(pins as unknown as string[], 'pins')).toThrow(expect.objectContaining({ option }))
})
