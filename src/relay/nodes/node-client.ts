import type { RpcReply, RpcRequest } from '../protocols/rpc.ts'

/**
 * Talks to one node, in whatever protocol it speaks, over connections of its own. It judges nobody and repeats nothing: how
 * each request ended is what it throws.
 *
 * A request ends when its signal is aborted, with the signal's reason, at once. Clients have no time limits of their own but
 * for connecting.
 */
export interface NodeClient {
  /** `host:port`. */
  readonly endpoint: string

  /**
   * @throws RpcError if the node has answered; ConnectError, IdentityError, CredentialsError or NotAllowedError if the request was
   * not heard;
   * BadReplyError, ChannelClosedError or another error if nobody knows
   */
  call(request: RpcRequest, signal: AbortSignal): Promise<unknown>

  /**
   * Several requests at once, where the protocol has that; answers are in their order. @throws as `call`, but for RpcError,
   * which is in the reply
   */
  callAll(requests: readonly RpcRequest[], signal: AbortSignal): Promise<RpcReply[]>

  /** Finds out whether the node answers at all, by the cheapest request it has. @throws as `call` */
  ping(signal: AbortSignal): Promise<void>

  /** How many blocks the best chain it knows has above the first. @throws as `call` */
  height(signal: AbortSignal): Promise<number>

  /** How many connections stand. */
  readonly connections: number

  /** Closes all connections. What is under way ends with an error. Later requests make new ones. */
  disconnect(): void

  /** The same, for good. */
  close(): Promise<void>
}
