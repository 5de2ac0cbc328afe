import { Ask, type AskKind } from '../../../../src/bitswap/fetch/ask.ts'
import { Outbox } from '../../../../src/bitswap/fetch/outbox.ts'
import { Supplier } from '../../../../src/bitswap/fetch/supplier.ts'
import { PeerLinks } from '../../../../src/bitswap/peer-link.ts'
import { Deadlines } from '../../../../src/core/deadlines.ts'
import { ManualClock } from '../../../../src/core/index.ts'
import { cidOf } from '../../support/messages.ts'
import { peerOf } from '../../support/peers.ts'

const BLOCK_BYTES = 8_192

/** The block the suppliers of a test are asked for. */
export const MULTIHASH = 'a block'

/** A supplier to which nothing is sent. @param blockMs - what a block takes of it; not known if not given */
export function supplierOf(number: number, blockMs?: number): Supplier {
  const outbox = new Outbox(new Deadlines(new ManualClock()), {
    open: () => Promise.reject(new Error('not needed')),
    onBroken: () => {}
  })
  const supplier = new Supplier(new PeerLinks().claim(peerOf(number)), outbox)
  if (blockMs !== undefined) deliver(supplier, { elapsedMs: blockMs })
  return supplier
}

/** Has it deliver a block that it was asked for `elapsedMs` before. */
export function deliver(
  supplier: Supplier,
  { multihash = 'another', elapsedMs = 10, atMs = 0, bytes = BLOCK_BYTES } = {}
): void {
  const made = new Ask(supplier, cidOf(0), multihash, 'BLOCK', atMs - elapsedMs, 0, 0)
  supplier.delivered(made, atMs, bytes)
}

/** Asks it as a fetch does, but that no call in the core comes of it. */
export function ask(
  supplier: Supplier,
  { multihash = MULTIHASH, kind = 'BLOCK' as AskKind, atMs = 0 } = {}
): Ask {
  const made = new Ask(supplier, cidOf(0), multihash, kind, atMs, 0, 0)
  supplier.asks.set(multihash, made)
  return made
}
