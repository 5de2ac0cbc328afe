import { RejectedError } from 'bitswap-protection'
import { answer, isInTrouble, type Luck, type Peer, peers } from './peers.ts'
import type { VirtualTime } from './virtual-time.ts'

export const RUN_MS = 8 * 60_000
/** How long anybody waits for an answer. */
export const PATIENCE_MS = 10_000

const MEAN_GAP_MS = 100
export const CANDIDATES = 6

/** A block that is wanted, and the peers to ask for it, in order. */
export interface Request {
  readonly afterMs: number
  readonly candidates: ReadonlyArray<{ readonly peer: Peer; readonly luck: Luck }>
}

/** Thrown by a peer that does not have the block: no fault of its own. */
export class DontHaveError extends Error {}

/** Asks a peer: alone, or as a protected call. */
export type Call = (peer: string, ask: () => Promise<void>) => Promise<void>

/** What became of all requests of a run. */
export interface Tally {
  requested: number
  /** How long each block took that was fetched. */
  readonly timesMs: number[]
  /** Time spent waiting on peers that then failed. */
  lostMs: number
  rejected: number
  /** Rejections of peers that never did anything wrong. */
  wronglyRejected: number
  /** Rejections of a peer that had been in trouble and was well again, but not yet trusted. */
  rejectedOnProbation: number
}

/** A source of numbers from 0 to 1 that gives the same ones each time (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Requests at random times, each with a few random candidates. */
export function* requestStream(random: () => number): Generator<Request> {
  let atMs = 0
  while (true) {
    const afterMs = -Math.log(1 - random()) * MEAN_GAP_MS
    atMs += afterMs
    if (atMs > RUN_MS) return
    const shuffled = peers.map(peer => ({ peer, order: random() })).sort((a, b) => a.order - b.order)
    const luck = (): Luck => [random(), random()]
    yield { afterMs, candidates: shuffled.slice(0, CANDIDATES).map(({ peer }) => ({ peer, luck: luck() })) }
  }
}

/** Lets all requests run, each peer asked by way of `call`. */
export async function simulate(requests: Iterable<Request>, time: VirtualTime, call: Call): Promise<Tally> {
  const tally: Tally = {
    requested: 0,
    timesMs: [],
    lostMs: 0,
    rejected: 0,
    wronglyRejected: 0,
    rejectedOnProbation: 0
  }
  const start = async (): Promise<void> => {
    for (const request of requests) {
      await time.sleep(request.afterMs)
      void fetchBlock(request, time, call, tally)
    }
  }
  void start()
  // The last request may need all its candidates.
  await time.runUntil(RUN_MS + CANDIDATES * PATIENCE_MS)
  return tally
}

async function fetchBlock(
  { candidates }: Request,
  time: VirtualTime,
  call: Call,
  tally: Tally
): Promise<void> {
  const startedAt = time.now()
  tally.requested++
  for (const { peer, luck } of candidates) {
    const askedAt = time.now()
    try {
      await call(peer.name, () => ask(peer, luck, time))
      tally.timesMs.push(time.now() - startedAt)
      return
    } catch (error) {
      if (error instanceof RejectedError) countRejection(peer, time.now(), tally)
      else if (!(error instanceof DontHaveError)) tally.lostMs += time.now() - askedAt
    }
  }
}

async function ask(peer: Peer, luck: Luck, time: VirtualTime): Promise<void> {
  const { afterMs, with: ending } = answer(peer, luck, time.now())
  await (afterMs === Infinity ? new Promise(() => {}) : time.sleep(afterMs))
  if (ending === 'DONT_HAVE') throw new DontHaveError(peer.name)
  if (ending === 'ERROR') throw new Error(`${peer.name} reset the stream`)
}

function countRejection(peer: Peer, nowMs: number, tally: Tally): void {
  tally.rejected++
  if (peer.trouble === undefined) tally.wronglyRejected++
  else if (!isInTrouble(peer, nowMs)) tally.rejectedOnProbation++
}
