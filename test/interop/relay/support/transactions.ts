import { type BcoinNode, MINER_ADDRESS } from './bcoin-node.ts'

/** The private key 1, which {@link MINER_ADDRESS} is of, as bcoin imports it (WIF). */
const MINER_KEY = 'EKBkTXRxkqTNhaC8mpXNefWqQ75i8fQRem4jMtBXC4q4MHyxwUEq'

/** In coins; rewards on regtest begin at 50, and halve after 150 blocks. */
const FEE = 0.001

/** A transaction that is signed and can be sent. */
export interface Transaction {
  readonly txid: string
  readonly hex: string
}

interface Output {
  readonly value: number
  readonly scriptPubKey: { readonly hex: string }
}

interface Coinbase {
  readonly txid: string
  readonly vout: readonly [Output]
}

/**
 * Makes a transaction that spends the reward of one block, which has to have `COINBASE_MATURITY` blocks after it. Two of the same
 * block with other fees are conflicting: no more than one can ever be in a block.
 *
 * @param fees - how many times the usual fee it pays
 */
export async function spendReward(node: BcoinNode, height: number, fees = 1): Promise<Transaction> {
  const block = await node.call<{ tx: readonly [Coinbase] }>(
    'getblock',
    await node.call('getblockhash', height),
    true,
    true
  )
  const [{ txid, vout }] = block.tx
  const [{ value, scriptPubKey }] = vout
  const output = { [MINER_ADDRESS]: Number((value - FEE * fees).toFixed(8)) }
  const unsigned = await node.call<string>('createrawtransaction', [{ txid, vout: 0 }], output)
  const signed = await node.call<{ hex: string; complete: boolean }>(
    'signrawtransaction',
    unsigned,
    [{ txid, vout: 0, scriptPubKey: scriptPubKey.hex, amount: value }],
    [MINER_KEY]
  )
  if (!signed.complete) throw new Error(`The node could not sign ${unsigned}`)
  const decoded = await node.call<{ txid: string }>('decoderawtransaction', signed.hex)
  return { txid: decoded.txid, hex: signed.hex }
}

/** Makes two transactions that spend the same reward, by {@link spendReward}. */
export async function doubleSpend(
  node: BcoinNode,
  height: number
): Promise<readonly [Transaction, Transaction]> {
  return [await spendReward(node, height), await spendReward(node, height, 2)]
}
