/**
 * The libp2p service: protects the Bitswap of a node from peers that stall, lie, flood or vanish.
 *
 * @packageDocumentation
 */
export {
  type BitswapExplanation,
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
export type { GetBlockOptions } from './fetch/block-service.ts'
export type { Evidence } from './fetch/evidence-log.ts'
export type { Fault } from './fetch/fault.ts'
export type { Provider, ProviderRouting } from './fetch/provider-search.ts'
export { ProtectionMissingError, protectBitswap, unprotectBitswap } from './protect-bitswap.ts'
