/**
 * The libp2p service: protects the Bitswap of a node from peers that stall, lie, flood or vanish.
 *
 * @packageDocumentation
 */
export type { TuningMode, TuningRecord, TuningStatus } from './auto-tuner.ts'
export {
  type BitswapProtectionInit,
  type BitswapProtectionOptions,
  defaultBitswapProtectionOptions
} from './bitswap-options.ts'
export {
  type BitswapProtectionComponents,
  BitswapProtectionManager,
  bitswapProtection
} from './bitswap-protection.ts'
export type {
  BitswapCounterfactual,
  BitswapExplanation,
  BitswapOverallStatus,
  BitswapPeerStatus,
  BitswapProtectionEvent,
  BitswapProtectionEvents
} from './bitswap-status.ts'
export type { GetBlockOptions } from './fetch/block-service.ts'
export type { Evidence } from './fetch/evidence-log.ts'
export type { Fault } from './fetch/fault.ts'
export type { Provider, ProviderRouting } from './fetch/provider-search.ts'
export { defaultInboundOptions, type InboundOptions } from './inbound-guard.ts'
export { ProtectionMissingError, protectBitswap, unprotectBitswap } from './protect-bitswap.ts'
export type { BitswapTotals } from './protection-metrics.ts'
export type { Limits, Tuning } from './tuning.ts'
