import { isMethodMissing, RpcError } from '../protocols/rpc.ts'
import type { NodeProtocol } from './node-address.ts'
import type { NodeClient } from './node-client.ts'

/** What became of a transaction. */
export interface Broadcast {
  readonly txid: string
  /** `host:port` of each node that has taken it. */
  readonly endpoints: readonly string[]
  /**
   * `host:port` of those of them that had it in their memory pool right after: a node may answer that it took one, and not
   * have it, or not yet.
   */
  readonly inMempoolOf: readonly string[]
}

/** What one node made of a transaction. */
export interface Taken {
  readonly txid: string
  /** `host:port`. */
  readonly endpoint: string
  readonly isInMempool: boolean
}

/** Codes of nodes that have a transaction already, or do not want it (Bitcoin Core, `rpc/protocol.h`). */
const ALREADY_IN_CHAIN = -27
const VERIFY_CODES = new Set([-25, -26, ALREADY_IN_CHAIN])
/** What Bitcoin Core, btcd and bcoin say of one that they have. */
const KNOWN = /already[ -](known|in|have|exists)|txn-already|outputs already in utxo set/i

/** Hands a transaction to a node over its JSON-RPC, and looks whether it has it then. @throws as `NodeClient.call` */
export async function broadcastTo(
  client: NodeClient,
  protocol: NodeProtocol,
  rawTransaction: string,
  signal: AbortSignal
): Promise<Taken> {
  const call = (method: string, ...params: unknown[]): Promise<unknown> =>
    client.call({ method, params }, signal)
  const { endpoint } = client
  if (protocol === 'electrum') {
    const txid = String(await call('blockchain.transaction.broadcast', rawTransaction))
    return { txid, endpoint, isInMempool: await isKnown(() => call('blockchain.transaction.get', txid)) }
  }
  const txid = String(await sent(call, rawTransaction))
  return { txid, endpoint, isInMempool: await isInMempool(call, txid) }
}

type Call = (method: string, ...params: unknown[]) => Promise<unknown>

/** One that was sent before is as good as sent. */
async function sent(call: Call, rawTransaction: string): Promise<unknown> {
  try {
    return await call('sendrawtransaction', rawTransaction)
  } catch (error) {
    const isKnownThere =
      error instanceof RpcError && VERIFY_CODES.has(error.code) && KNOWN.test(error.message)
    if (!isKnownThere) throw error
    const { txid } = (await call('decoderawtransaction', rawTransaction)) as { txid: unknown }
    return txid
  }
}

/** By its entry; nodes that have no such method give the whole list; of those that allow us neither it is not known. */
async function isInMempool(call: Call, txid: string): Promise<boolean> {
  try {
    return await isKnown(() => call('getmempoolentry', txid))
  } catch (error) {
    if (!isMethodMissing(error)) throw error
  }
  try {
    return ((await call('getrawmempool')) as unknown[]).includes(txid)
  } catch (error) {
    if (!isMethodMissing(error)) throw error
    return false
  }
}

async function isKnown(ask: () => Promise<unknown>): Promise<boolean> {
  try {
    return (await ask()) !== null
  } catch (error) {
    if (error instanceof RpcError && !error.isMethodUnknown) return false
    throw error
  }
}

/** What several nodes made of the same transaction. @param all - of one node at least */
export function summed(all: readonly Taken[]): Broadcast {
  return Object.freeze({
    txid: all[0]!.txid,
    endpoints: all.map(({ endpoint }) => endpoint),
    inMempoolOf: all.filter(({ isInMempool }) => isInMempool).map(({ endpoint }) => endpoint)
  })
}
