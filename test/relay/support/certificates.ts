import 'reflect-metadata'
import { createHash } from 'node:crypto'
import * as x509 from '@peculiar/x509'

const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const DAY_MS = 24 * 60 * 60_000

/** A certificate and its key, as PEM. */
export interface Identity {
  readonly certificate: string
  readonly key: string
  /** SHA-256 of the public key, in base64. */
  readonly pin: string
}

/** What a certificate is to say. */
export interface Claim {
  readonly names?: readonly string[]
  readonly addresses?: readonly string[]
  /** When it begins and ends to be valid, in days from now. */
  readonly validDays?: readonly [from: number, to: number]
}

let serial = 1

/** Somebody who signs certificates. */
export class Authority {
  readonly certificate: string
  readonly #subject: string
  readonly #keys: CryptoKeyPair

  static async create(name = 'Some Authority'): Promise<Authority> {
    const keys = await generateKeys()
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: nextSerial(),
      name: `CN=${name}`,
      notBefore: inDays(-1),
      notAfter: inDays(365),
      signingAlgorithm: EC,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 1, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true)
      ]
    })
    return new Authority(`CN=${name}`, keys, certificate.toString('pem'))
  }

  private constructor(subject: string, keys: CryptoKeyPair, certificate: string) {
    this.#subject = subject
    this.#keys = keys
    this.certificate = certificate
  }

  async issue({
    names = [],
    addresses = [],
    validDays: [from, to] = [-1, 30]
  }: Claim = {}): Promise<Identity> {
    const keys = await generateKeys()
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: nextSerial(),
      subject: `CN=${names[0] ?? addresses[0] ?? 'somebody'}`,
      issuer: this.#subject,
      notBefore: inDays(from),
      notAfter: inDays(to),
      signingAlgorithm: EC,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      extensions: [
        new x509.SubjectAlternativeNameExtension([
          ...names.map(value => ({ type: 'dns' as const, value })),
          ...addresses.map(value => ({ type: 'ip' as const, value }))
        ])
      ]
    })
    const spki = await crypto.subtle.exportKey('spki', keys.publicKey)
    return {
      certificate: certificate.toString('pem'),
      key: pem('PRIVATE KEY', await crypto.subtle.exportKey('pkcs8', keys.privateKey)),
      pin: createHash('sha256').update(new Uint8Array(spki)).digest('base64')
    }
  }
}

async function generateKeys(): Promise<CryptoKeyPair> {
  return (await crypto.subtle.generateKey(EC, true, ['sign', 'verify'])) as CryptoKeyPair
}

function nextSerial(): string {
  return (serial++).toString(16).padStart(4, '0')
}

function inDays(days: number): Date {
  return new Date(Date.now() + days * DAY_MS)
}

function pem(label: string, bytes: ArrayBuffer): string {
  const lines = Buffer.from(bytes)
    .toString('base64')
    .match(/.{1,64}/g)!
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}
