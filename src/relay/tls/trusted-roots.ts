import { X509Certificate } from 'node:crypto'
import { getCACertificates } from 'node:tls'

/** Certificates that others are verified by. */
export interface TrustedRoots {
  /** Each as PEM. If there is none, no server can be verified, and none is talked to. */
  readonly certificates: readonly string[]
  /** How many were left out since they cannot be read. */
  readonly unreadable: number
}

const CERTIFICATE =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g

/**
 * Takes certificates out of PEM texts, each by itself: OpenSSL stops at the first one it cannot read, and Node says nothing
 * of those that come after it.
 */
export function readRoots(texts: readonly string[]): TrustedRoots {
  const byFingerprint = new Map<string, string>()
  let unreadable = 0
  for (const text of texts) {
    const blocks = text.match(CERTIFICATE) ?? []
    if (blocks.length === 0) unreadable++
    for (const pem of blocks) {
      const fingerprint = fingerprintOf(pem)
      if (fingerprint === undefined) unreadable++
      else byFingerprint.set(fingerprint, pem)
    }
  }
  return { certificates: [...byFingerprint.values()], unreadable }
}

let ofSystem: TrustedRoots | undefined

/**
 * The roots that the system trusts, and those that come with Node, for systems that have none. Read once: it takes tens of ms,
 * and what is changed later is seen by the next process, as with any other program.
 */
export function systemRoots(): TrustedRoots {
  ofSystem ??= readRoots([...listed('system'), ...listed('bundled')])
  return ofSystem
}

/** A store that cannot be read is as good as empty. */
function listed(store: 'system' | 'bundled'): string[] {
  try {
    return getCACertificates(store)
  } catch {
    return []
  }
}

function fingerprintOf(pem: string): string | undefined {
  try {
    return new X509Certificate(pem).fingerprint256
  } catch {
    return undefined
  }
}
