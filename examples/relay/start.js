import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SecureChannel } from 'bitswap-protection/relay'
import { BitcoinNode } from './bitcoin-node.js'
import { LongestWait } from './longest-wait.js'
import { Reader } from './reader.js'
import { prepareTransactions, Sender } from './wallet.js'

/** How often the height is read, and a transaction sent, in ms. */
const READ_EVERY_MS = 20
const SEND_EVERY_MS = 500

/** How many there are: as many as can be sent meanwhile, at most. */
const TRANSACTIONS = 36

/** How long the backup may take to get all blocks, in ms. */
const SYNC_LIMIT_MS = 10_000

const startedAt = performance.now()

function say(text) {
  console.log(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(5)} s  ${text}`)
}

/** Two nodes: from the first start until nothing is left of them, however this ends. */
async function main() {
  const folder = await mkdtemp(join(tmpdir(), 'relay-example-'))
  const primary = await BitcoinNode.create(folder, 'primary')
  const backup = await BitcoinNode.create(folder, 'backup')
  process.on('exit', () => {
    for (const node of [primary, backup]) void node.kill()
    rmSync(folder, { recursive: true })
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1))
  say('two Bitcoin nodes start, on a network of their own')
  await primary.start()
  await backup.start(primary)
  await use(primary, backup)
  process.exit()
}

async function use(primary, backup) {
  const toPrimary = channelTo([primary])
  const toBackup = channelTo([backup])
  say('blocks are made, and transactions signed')
  const transactions = await prepareTransactions(toPrimary, TRANSACTIONS)
  await until('the backup has all blocks', async () => {
    return (await toBackup.getBlockHeight()) === (await toPrimary.getBlockHeight())
  })

  const channel = channelTo([primary], [backup])
  const wait = new LongestWait()
  const reader = new Reader(channel, ms => wait.add(ms))
  const sender = new Sender(channel, ms => wait.add(ms))
  channel.onEvent(event => {
    say(`            ${eventText(event, primary)}`)
    // What only the other node had is out of reach now.
    if (event.type === 'failover') sender.sendAgain().catch(error => sender.failures.push(error))
  })
  await channel.start()
  reader.start(READ_EVERY_MS)
  const ending = new AbortController()
  const sending = sendAll(sender, transactions, ending.signal)
  await play(primary, backup, wait)
  ending.abort()
  await Promise.all([sending, reader.stop()])

  await sender.sendAgain()
  const { totalFailovers } = channel.getStatus()
  await channel.drain()
  const known = [...(await toPrimary.execute(mempool)), ...(await toBackup.execute(mempool))]
  await Promise.all([toPrimary.close(), toBackup.close()])
  conclude({ reader, sender, known: new Set(known), wait, totalFailovers })
}

const mempool = { method: 'getrawmempool' }

function channelTo(primaryNodes, backupNodes = []) {
  const toOptions = ({ address, password }) => ({ address, username: 'x', password })
  const nodes = [...primaryNodes, ...backupNodes]
  return new SecureChannel({
    primaryNodes: primaryNodes.map(toOptions),
    backupNodes: backupNodes.map(toOptions),
    // These certificates are trusted, and no others.
    tls: { roots: nodes.map(({ certificate }) => certificate) }
  })
}

/** What happens to the nodes. */
async function play(primary, backup, wait) {
  const scenes = [
    ['all is well', 2_000, () => {}],
    ['the primary is frozen: its connections stay open, and silent', 3_000, () => primary.freeze()],
    ['the primary goes on', 3_000, () => primary.thaw()],
    ['the primary is killed', 2_500, () => primary.kill()],
    ['the primary is started again, and asked once it has all blocks', 6_000, () => primary.start(backup)]
  ]
  for (const [text, ms, act] of scenes) {
    say(text)
    await act()
    await sleep(ms)
    say(`    longest wait for an answer: ${Math.round(wait.take())} ms`)
  }
}

function eventText({ type, endpoint, error }, primary) {
  if (!type.startsWith('node:')) return type
  const name = endpoint === primary.address ? 'primary' : 'backup'
  return `${name}: ${type.slice('node:'.length)}${error instanceof Error ? `, ${error.message}` : ''}`
}

async function sendAll(sender, transactions, signal) {
  for (const transaction of transactions) {
    if (signal.aborted) return
    await sender.send(transaction)
    await sleep(SEND_EVERY_MS)
  }
}

function conclude({ reader, sender, known, wait, totalFailovers }) {
  const lost = sender.sent.filter(({ txid }) => !known.has(txid)).length
  console.log(`
${reader.reads} reads, ${reader.failures.length} failed
${sender.sent.length} transactions sent, ${sender.failures.length} failed, ${lost} lost
${totalFailovers} failovers; longest wait ${Math.round(wait.longestMs)} ms`)
  for (const error of [...reader.failures, ...sender.failures]) console.log(error)
  if (reader.failures.length + sender.failures.length + lost > 0) process.exitCode = 1
}

async function until(what, isSo) {
  const limit = performance.now() + SYNC_LIMIT_MS
  while (!(await isSo())) {
    if (performance.now() > limit) throw new Error(`In ${SYNC_LIMIT_MS} ms it did not come to this: ${what}`)
    await sleep(50)
  }
}

await main()
