/**
 * Channels to relays and Bitcoin nodes: pools of TLS 1.3 connections to one endpoint each.
 *
 * @packageDocumentation
 */
export type { Channel, OperationOptions } from './channel/channel.ts'
export {
  ChannelBusyError,
  ChannelClosedError,
  ChannelTimeoutError,
  UnexpectedDataError
} from './channel/channel-error.ts'
export type { SecureChannelPoolBuilder } from './pool/pool-builder.ts'
export { PoolClosedError, PoolExhaustedError } from './pool/pool-error.ts'
export { defaultPoolOptions, type PoolOptions } from './pool/pool-options.ts'
export type { ConnectionStatus, PoolStatus } from './pool/pool-status.ts'
export type { PooledChannel } from './pool/pooled-channel.ts'
export { type AcquireOptions, type PoolComponents, SecureChannelPool } from './pool/secure-channel-pool.ts'
export {
  ConnectError,
  type ConnectFailure,
  IdentityError,
  type IdentityProblem
} from './tls/connect-error.ts'
export { HandshakeLimit } from './tls/handshake-limit.ts'
export { defaultTlsOptions, type TlsOptions } from './tls/tls-options.ts'
