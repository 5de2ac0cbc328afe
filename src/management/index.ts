/**
 * Seeing and steering it over HTTP.
 *
 * @packageDocumentation
 */
export type {
  ChannelDetails,
  Managed,
  ManagedAlerts,
  ManagedBitswap,
  ManagedBlocks,
  ManagedChannel,
  ManagedHistory,
  ManagedPool,
  MemoryProtection,
  PeerSnapshot,
  PoolDetails
} from './managed.ts'
export {
  defaultManagementOptions,
  type ManagementOptions,
  type ServerTlsOptions
} from './management-options.ts'
export { type ManagementComponents, ManagementServer } from './management-server.ts'
