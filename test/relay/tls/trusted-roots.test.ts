import { getCACertificates } from 'node:tls'
import { expect, test } from 'vitest'
import { readRoots, systemRoots } from '../../../src/relay/tls/trusted-roots.ts'
import { Authority } from '../support/certificates.ts'

const [one, other] = await Promise.all([Authority.create('One'), Authority.create('Other')])
const BAD = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'

test('certificates are read each by itself, whatever stands before them', () => {
  const { certificates, unreadable } = readRoots([
    `# roots\n${BAD}${one.certificate}\n${BAD}${other.certificate}`
  ])
  expect(certificates).toEqual([one.certificate.trim(), other.certificate.trim()])
  expect(unreadable).toBe(2)
})

test('one that is there several times counts once', () => {
  expect(readRoots([one.certificate, one.certificate]).certificates).toHaveLength(1)
})

test('texts without any certificate are counted', () => {
  expect(readRoots(['', 'no PEM'])).toEqual({ certificates: [], unreadable: 2 })
})

test('those of the system are those of Node as well, read once', () => {
  const { certificates } = systemRoots()
  expect(certificates.length).toBeGreaterThanOrEqual(new Set(getCACertificates('bundled')).size)
  expect(systemRoots()).toBe(systemRoots())
})
