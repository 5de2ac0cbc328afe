import type { ComponentLogger, Logger, PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { base58btc } from 'multiformats/bases/base58'
import * as Digest from 'multiformats/hashes/digest'

/** A peer id, the same for the same number. */
export function peerOf(number: number): PeerId {
  const { bytes } = Digest.create(0x12, new Uint8Array(32).fill(number))
  return peerIdFromString(base58btc.baseEncode(bytes))
}

/** A libp2p logger that keeps what is logged as an error, and drops the rest. */
export function createLogger(): { logger: ComponentLogger; log: Logger; errors: unknown[][] } {
  const errors: unknown[][] = []
  const log: Logger = Object.assign(() => {}, {
    error: (...args: unknown[]) => {
      errors.push(args)
    },
    trace: () => {},
    enabled: false,
    newScope: () => log
  })
  return { logger: { forComponent: () => log }, log, errors }
}
