/** The private key 1, as bcoin imports it (WIF, regtest), and its address: who is paid for all blocks of this example. */
const KEY = 'EKBkTXRxkqTNhaC8mpXNefWqQ75i8fQRem4jMtBXC4q4MHyxwUEq'
const ADDRESS = 'RKxTdfmtxtfLDKZBgx6SvNkBtNu9jRYnLh'

/** Blocks until a reward can be spent, of consensus. */
const MATURITY = 100

/** In coins. */
const FEE = 0.001

/** Makes so many blocks, and a signed transaction for each of the first rewards: ready to be sent, each `{ txid, hex }`. */
export async function prepareTransactions(channel, count) {
  const call = (method, ...params) => channel.execute({ method, params })
  // To mine is to change something: it would not be repeated, and takes its time.
  await channel.execute(
    { method: 'generatetoaddress', params: [MATURITY + count, ADDRESS] },
    { timeoutMs: 30_000 }
  )
  const transactions = []
  for (let height = 1; height <= count; height++) transactions.push(await spendReward(call, height))
  return transactions
}

async function spendReward(call, height) {
  const { tx } = await call('getblock', await call('getblockhash', height), true, true)
  const [{ txid, vout }] = tx
  const [{ value, scriptPubKey }] = vout
  const unsigned = await call('createrawtransaction', [{ txid, vout: 0 }], { [ADDRESS]: value - FEE })
  const spent = { txid, vout: 0, scriptPubKey: scriptPubKey.hex, amount: value }
  const { hex } = await call('signrawtransaction', unsigned, [spent], [KEY])
  const decoded = await call('decoderawtransaction', hex)
  return { txid: decoded.txid, hex }
}

/** Sends transactions, and keeps them until they are in a block, as wallets do: what only one node has goes with that node. */
export class Sender {
  #channel
  #onWaited
  sent = []
  failures = []

  /** @param onWaited - told how long each took, in ms */
  constructor(channel, onWaited) {
    this.#channel = channel
    this.#onWaited = onWaited
  }

  async send(transaction) {
    const startedAt = performance.now()
    try {
      await this.#channel.broadcast(transaction.hex)
      this.sent.push(transaction)
    } catch (error) {
      this.failures.push(error)
    }
    this.#onWaited(performance.now() - startedAt)
  }

  /** Sends all that was sent before again, which does no harm: the same transaction is the same wherever it arrives. */
  async sendAgain() {
    for (const { hex } of this.sent) await this.#channel.broadcast(hex)
  }
}
