/**
 * The libp2p service: protects the Bitswap of a node from peers that stall, lie, flood or vanish.
 *
 * @packageDocumentation
 */
export {
  type BitswapPeerStatus,
  type BitswapProtectionComponents,
  type BitswapProtectionEvent,
  type BitswapProtectionEvents,
  type BitswapProtectionInit,
  BitswapProtectionManager,
  type BitswapProtectionOptions,
  bitswapProtection,
  defaultBitswapProtectionOptions
} from './bitswap-protection.ts'
