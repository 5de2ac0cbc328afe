import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { InvalidOptionError } from '../../../src/core/index.ts'
import { setUpTls, type TlsOptions } from '../../../src/relay/tls/tls-options.ts'
import { Authority } from '../support/certificates.ts'

const authority = await Authority.create()
const { certificate, key } = await authority.issue({ names: ['client.test'] })
const { key: otherKey } = await authority.issue({ names: ['other.test'] })

test('everything has a default', () => {
  const { serverName, pins, alpnProtocols, connectTimeoutMs, roots } = setUpTls({})
  expect({ serverName, pins, alpnProtocols, connectTimeoutMs }).toEqual({
    serverName: undefined,
    pins: undefined,
    alpnProtocols: [],
    connectTimeoutMs: 5_000
  })
  expect(roots.certificates.length).toBeGreaterThan(50)
})

test('a certificate is taken along with its key, encrypted or not', () => {
  expect(() => setUpTls({ certificate, key })).not.toThrow()
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const encrypted = privateKey.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'secret'
  })
  // It is not the certificate's, but it could be read.
  expect(() => setUpTls({ certificate, key: encrypted as string, passphrase: 'secret' })).toThrow(
    'the key of the certificate'
  )
})

test.for<[string, Partial<TlsOptions>]>([
  ['tls.serverName', { serverName: 42 as never }],
  ['tls.roots', { roots: 'mine' as never }],
  ['tls.roots', { roots: [42] as never }],
  ['tls.pins', { pins: 'pin' as never }],
  ['tls.pins[0]', { pins: ['pin'] }],
  ['tls.certificate', { key }],
  ['tls.certificate', { certificate: 'no PEM', key }],
  ['tls.key', { certificate }],
  ['tls.key', { certificate, key: 'no PEM' }],
  ['tls.key', { certificate, key: otherKey }],
  ['tls.key', { certificate, key: 42 as never }],
  ['tls.passphrase', { certificate, key, passphrase: 42 as never }],
  ['tls.alpnProtocols', { alpnProtocols: [''] }],
  ['tls.alpnProtocols', { alpnProtocols: ['x'.repeat(256)] }],
  ['tls.connectTimeoutMs', { connectTimeoutMs: 0 }],
  ['tls.minVersion', { minVersion: 'TLSv1.2' } as never]
])('%s is told if it is wrong', ([option, options]) => {
  expect(() => setUpTls(options)).toThrow(expect.objectContaining({ name: InvalidOptionError.name, option }))
})

test('keys are in no error', () => {
  const wrong = key.replace('PRIVATE KEY-----\n', 'PRIVATE KEY-----\nx')
  expect(() => setUpTls({ certificate, key: wrong })).toThrow(expect.objectContaining({ value: '(hidden)' }))
})
