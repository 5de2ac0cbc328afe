/**
 * Channels to relays and Bitcoin nodes: pools of TLS 1.3 connections to one endpoint, and several nodes used as one.
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
export type { Broadcast } from './nodes/broadcasting.ts'
export type { NodeClient } from './nodes/node-client.ts'
export type { SecureChannelListener } from './nodes/node-set.ts'
export type { NodeRole } from './nodes/relay-node.ts'
export type { RequestKind } from './nodes/request-kind.ts'
export type { ExecuteOptions } from './nodes/requests.ts'
export { StateFileError } from './nodes/saved-state.ts'
export {
  type BroadcastOptions,
  type ExecuteOneOptions,
  SecureChannel,
  type SecureChannelComponents
} from './nodes/secure-channel.ts'
export {
  DisagreementError,
  DuplicateRequestError,
  NoNodeError,
  OutcomeUnknownError,
  RateLimitError,
  RequestTimeoutError,
  SecureChannelClosedError
} from './nodes/secure-channel-error.ts'
export {
  defaultHealthCheckOptions,
  defaultSecureChannelOptions,
  defaultShutdownOptions,
  type HealthCheckOptions,
  type NodeOptions,
  type SecureChannelOptions,
  type ShutdownOptions
} from './nodes/secure-channel-options.ts'
export type {
  NodeState,
  NodeStatus,
  SecureChannelEvent,
  SecureChannelStatus
} from './nodes/secure-channel-status.ts'
export type { SecureChannelPoolBuilder } from './pool/pool-builder.ts'
export { PoolClosedError, PoolExhaustedError } from './pool/pool-error.ts'
export type { PoolEvent } from './pool/pool-events.ts'
export { defaultPoolOptions, type PoolOptions } from './pool/pool-options.ts'
export type { ConnectionStatus, PoolStatus, PoolSummary } from './pool/pool-status.ts'
export type { PooledChannel } from './pool/pooled-channel.ts'
export { type AcquireOptions, type PoolComponents, SecureChannelPool } from './pool/secure-channel-pool.ts'
export { BitcoinMessageError, type BitcoinNetwork } from './protocols/bitcoin-message.ts'
export {
  type GreetOptions,
  greet,
  type PeerChannel,
  type PeerGreeting,
  type PeerOptions,
  pingPeer
} from './protocols/bitcoin-peer.ts'
export { ElectrumNodeClient, type ElectrumSubscription } from './protocols/electrum-node-client.ts'
export type { ElectrumListener } from './protocols/electrum-subscriptions.ts'
export { TooManyPendingError } from './protocols/pending-error.ts'
export {
  BadReplyError,
  CredentialsError,
  NotAllowedError,
  RpcError,
  type RpcReply,
  type RpcRequest
} from './protocols/rpc.ts'
export type { MemoryProtectionStatus } from './secrets/memory-protection-status.ts'
export type { Secret } from './secrets/secret.ts'
export {
  SecretAccessError,
  SecretDisposedError,
  SecretFileError,
  SecretLimitError
} from './secrets/secret-error.ts'
export { memoryProtectionStatus, SecureBuffer } from './secrets/secure-buffer.ts'
export {
  ConnectError,
  type ConnectFailure,
  IdentityError,
  type IdentityProblem
} from './tls/connect-error.ts'
export { HandshakeLimit } from './tls/handshake-limit.ts'
export { defaultTlsOptions, type TlsOptions } from './tls/tls-options.ts'
