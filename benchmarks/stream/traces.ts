import { setTimeout as sleep } from 'node:timers/promises'
import { queryObjects } from 'node:v8'
import { WantLedger } from '../../src/bitswap/want-ledger.ts'
import type { CountingClock } from '../../test/integration/support/counting-clock.ts'
import { settle } from './cost.ts'
import type { StreamNode } from './stream-node.ts'

/** What connections have left of themselves in a node, after garbage was collected. */
export interface Traces {
  /** In use, of the heap and of buffers. */
  readonly usedBytes: number
  /** Those that listen to the node's events about connections and peers. */
  readonly listeners: number
  /** Timers of the service. */
  readonly timers: number
  /** Peers the service has a record of. */
  readonly records: number
}

/** How long libp2p's time limits hold on to connections that have ended, and more, in ms. */
const RELEASE_MS = 2_500

/** What is in use is known when it has not become less for so long, in ms, but for so little. */
const REST_MS = 500
const LITTLE_BYTES = 50_000
const MAX_RESTS = 20

const events = [
  'connection:open',
  'connection:close',
  'peer:connect',
  'peer:disconnect',
  'peer:identify'
] as const

export async function findTraces(node: StreamNode, clock: CountingClock): Promise<Traces> {
  const usedBytes = await findUsedBytes()
  return {
    usedBytes,
    listeners: events.reduce((sum, type) => sum + node.events.listenerCount(type), 0),
    timers: clock.waiting,
    records: node.protection === undefined ? 0 : [...node.protection.peers()].length
  }
}

/** What is in use once what ends by itself soon, such as closing sockets and time limits, is gone. */
async function findUsedBytes(): Promise<number> {
  await sleep(RELEASE_MS)
  // It collects more than the garbage collector does by itself, such as code that is not needed any more.
  countWatchedPeers()
  let leastBytes = await usedBytesNow()
  for (let rest = 0; rest < MAX_RESTS; rest++) {
    await sleep(REST_MS)
    const bytes = await usedBytesNow()
    if (bytes > leastBytes - LITTLE_BYTES) return Math.min(bytes, leastBytes)
    leastBytes = bytes
  }
  return leastBytes
}

/** In use, of the heap and of buffers, after garbage was collected. */
export async function usedBytesNow(): Promise<number> {
  // What is found to be garbage by one collection is freed by another.
  for (let round = 0; round < 3; round++) await settle()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Peers that the service holds to be connected, or that somebody else keeps what it has of. */
export function countWatchedPeers(): number {
  return queryObjects(WantLedger, { format: 'count' })
}
