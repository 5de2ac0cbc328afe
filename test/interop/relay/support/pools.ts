import {
  type Channel,
  type PooledChannel,
  type PoolOptions,
  SecureChannelPool
} from '../../../../src/relay/index.ts'
import type { BcoinNode } from './bcoin-node.ts'
import { askOver } from './raw-rpc.ts'

/** How long a node may take for an answer, in ms: those that are well need a few. */
const OPERATION_TIMEOUT_MS = 1_000

/** A pool of channels that are opened when they are asked for. They are not tried out unless a probe is given. */
export function poolTo(endpoint: string, options: Partial<PoolOptions>): SecureChannelPool {
  return new SecureChannelPool(endpoint, {
    minIdle: 0,
    operationTimeoutMs: OPERATION_TIMEOUT_MS,
    ...options
  })
}

/** The height of a node at the other end of a channel. */
export async function heightOver(channel: Channel | PooledChannel, node: BcoinNode): Promise<number> {
  return Number(await askOver(channel, node.credentials, 'getblockcount'))
}
