/**
 * What may be done with a request of which it is not known whether it was heard:
 *
 * - `read` changes nothing: any node may be asked, again, or two at once
 * - `broadcast` hands on what is the same wherever and however often it arrives: a signed transaction
 * - `write` is made once, at one node, and repeated only if it was certainly not heard
 */
export type RequestKind = 'read' | 'broadcast' | 'write'

export const requestKinds: readonly RequestKind[] = Object.freeze(['read', 'broadcast', 'write'])

/** Idempotent by the id of the transaction: a node that has it answers with that id, or that it has it. */
const broadcasts = new Set(['sendrawtransaction', 'blockchain.transaction.broadcast'])

/**
 * Methods of Bitcoin Core, btcd and bcoin that only tell something: not `getwork`, which also hands work in, nor what writes files,
 * as `dumpwallet` does (Bitcoin Core, `src/rpc/*.cpp`, `src/wallet/rpc`).
 */
const reads =
  /^(get(?!newaddress$|rawchangeaddress$|accountaddress$|work)[a-z]|list(?!en)|decode|verify|validate|estimate|test|scan|uptime$|ping$|help$|echo|derive|version$|analyze|combine|createmultisig$|createrawtransaction$|createpsbt$|converttopsbt$|finalizepsbt$|joinpsbts$|utxoupdatepsbt$|waitfor)/

/** Methods of Electrum's protocol 1.4, but for the one that broadcasts, only tell something. */
const electrumReads = /^(server|blockchain|mempool)\./

/** What a method is; one that is not known might change something. */
export function kindOf(method: string): RequestKind {
  if (broadcasts.has(method)) return 'broadcast'
  return reads.test(method) || electrumReads.test(method) ? 'read' : 'write'
}
