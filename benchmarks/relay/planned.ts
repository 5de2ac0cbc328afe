import { setTimeout as sleep } from 'node:timers/promises'
import { type SecureChannel, SecureChannelClosedError } from 'bitswap-protection/relay'
import type { Transaction } from '../../test/interop/relay/support/transactions.ts'
import { spread } from '../harness.ts'
import { type Cell, type Check, figures, type Report } from '../report.ts'
import { PlannedRig } from './planned-rig.ts'

/** How much is sent, and how often it is tried. */
export interface PlannedPlan {
  readonly transactions: number
  readonly runs: number
}

/** Every so often one is sent, in ms. */
const SEND_EVERY_MS = 2

/** The share of the transactions that is sent before the change. */
const BEFORE_SHARE = 0.3

/** How long nodes are silent before the channel is drained, in ms: more is sent meanwhile than goes to them at once. */
const SILENT_MS = 60

/** How long a shutdown waits that cannot come to its end, in ms. */
const FORCED = { drainTimeoutMs: 100, forceTimeoutMs: 300 }

/** How a channel is replaced by the next one. */
interface Change {
  readonly name: string
  /** Nodes that fall silent just before, and answer again once the old channel is closed. */
  readonly silent: readonly ('a' | 'b')[]
}

const changes: readonly Change[] = [
  { name: 'both nodes are well', silent: [] },
  { name: 'the old primary falls silent', silent: ['a'] },
  { name: 'both fall silent', silent: ['a', 'b'] }
]

/** What came of one. */
interface Run {
  readonly change: string
  readonly sent: number
  /** Under way when the old channel began to drain. */
  readonly inFlight: number
  /** Not taken any more by the old channel, and given to the next one by the caller. */
  readonly handedOver: number
  /** Taken by the old channel, which had to be closed, and kept on disk for the next one. */
  readonly kept: number
  readonly lost: number
  readonly drainMs: number
}

/** Replaces a channel with one that prefers the other node, while transactions are being sent. */
export async function measurePlanned(haproxy: string, { transactions, runs }: PlannedPlan): Promise<Report> {
  await using rig = await PlannedRig.start(haproxy, transactions * runs * changes.length)
  const found: Run[] = []
  for (let run = 0; run < runs; run++)
    for (const change of changes)
      found.push(await runOnce(rig, change, await rig.makeTransactions(transactions)))
  return report(transactions, found)
}

async function runOnce(rig: PlannedRig, { name, silent }: Change, all: readonly Transaction[]): Promise<Run> {
  const old = await rig.channel('a')
  const next = Promise.withResolvers<SecureChannel>()
  const sender = new Sender(old, next.promise)
  const sending = sender.sendAll(all)
  await sleep(BEFORE_SHARE * all.length * SEND_EVERY_MS)
  for (const node of silent) rig[node].stop()
  if (silent.length > 0) await sleep(SILENT_MS)
  const { inFlight } = old.getStatus()
  const startMs = performance.now()
  const kept = await old.drain(silent.length === 2 ? FORCED : {})
  const drainMs = performance.now() - startMs
  for (const node of silent) rig[node].resume()
  await using channel = await rig.channel('b')
  next.resolve(channel)
  await sending
  const lost = await rig.lost(all)
  return { change: name, sent: all.length, inFlight, handedOver: sender.handedOver, kept, lost, drainMs }
}

/** Whoever sends transactions, and is told which channel to use. */
class Sender {
  readonly #old: SecureChannel
  readonly #next: Promise<SecureChannel>
  handedOver = 0

  constructor(old: SecureChannel, next: Promise<SecureChannel>) {
    this.#old = old
    this.#next = next
  }

  async sendAll(transactions: readonly Transaction[]): Promise<void> {
    const sending: Array<Promise<void>> = []
    for (const transaction of transactions) {
      sending.push(this.#send(transaction))
      await sleep(SEND_EVERY_MS)
    }
    await Promise.all(sending)
  }

  /** What the old channel has taken it sees to, even if it is closed before that is done. */
  async #send({ hex }: Transaction): Promise<void> {
    const isTaken = !this.#old.getStatus().isDraining
    try {
      await this.#old.broadcast(hex)
    } catch (error) {
      if (!(error instanceof SecureChannelClosedError)) throw error
      if (isTaken) return
      this.handedOver++
      await (await this.#next).broadcast(hex)
    }
  }
}

function report(transactions: number, runs: readonly Run[]): Report {
  const cases = changes.map(({ name }) => runs.filter(({ change }) => change === name))
  return {
    name: 'planned',
    title: `a channel is replaced by one that prefers the other node, ${figures(transactions)} transactions meanwhile`,
    columns: [
      'meanwhile',
      'runs',
      'sent',
      'under way',
      'handed over',
      'kept on disk',
      'lost',
      'drained after'
    ],
    rows: cases.map(row),
    notes: [
      'Under way: taken by the old channel and not answered when it began to drain. Handed over: came after that, and were sent by the next one. Kept on disk: taken by the old one, which was forced to close, and sent by the next one at its start. Lost: in the memory pool of neither node.'
    ],
    checks: checks(runs),
    data: { runs }
  }
}

function row(runs: readonly Run[]): Cell[] {
  const sum = (of: (run: Run) => number): number => runs.reduce((total, run) => total + of(run), 0)
  return [
    runs[0]!.change,
    runs.length,
    sum(({ sent }) => sent),
    sum(({ inFlight }) => inFlight),
    sum(({ handedOver }) => handedOver),
    sum(({ kept }) => kept),
    sum(({ lost }) => lost),
    `${figures(spread(runs.map(({ drainMs }) => drainMs)).median)} ms`
  ]
}

function checks(runs: readonly Run[]): Check[] {
  const lost = runs.reduce((sum, run) => sum + run.lost, 0)
  const idle = runs.filter(({ inFlight }) => inFlight === 0).length
  return [
    { name: 'no transaction is lost', passed: lost === 0, detail: `${lost} in ${runs.length} runs` },
    {
      name: 'some were under way',
      passed: idle < runs.length,
      detail: `in ${runs.length - idle} of ${runs.length} runs`
    }
  ]
}
