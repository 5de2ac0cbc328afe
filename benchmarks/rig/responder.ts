import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection, Stream } from '@libp2p/interface'
import { LengthPrefixedDecoder } from '@libp2p/utils'
import { CID } from 'multiformats/cid'
import type { Block } from '../../src/cli/swarm/blocks.ts'
import { dripMessage, type Passage, sendMessage } from './answer-stream.ts'
import { type Answer, decodeWants, encodeAnswers, type Want } from './bitswap-wire.ts'
import { type FaultKind, type FaultPlan, FaultSchedule } from './fault.ts'
import type { PeerStats } from './peer-commands.ts'

/** By how much an answer may come sooner or later than is usual, as a share. */
const JITTER = 0.2

const SLOW_MS = 2_000

/** Blocks in one message, in bytes, unless one is larger: Bitswap has 4 MiB at most, and its servers send less at a time. */
const MESSAGE_BYTES = 524_288

/** Wants of one connection that are not answered yet; more are not heeded. */
const MAX_PENDING = 1_024

/** Longest a connection may take to close, in ms, before it is cut. */
const CLOSE_LIMIT_MS = 500

type Counts = { -readonly [Name in Exclude<keyof PeerStats, 'connections' | 'faultShownAt'>]: number }

/** One answer that is due, and whether it is as it should be. */
interface Due {
  readonly want: Want
  readonly answer: Answer
  readonly isSpoilt: boolean
}

/** Answers wants as its fault demands: the Bitswap of a peer, for one task. */
export class Responder {
  readonly #blocks: ReadonlyMap<string, Uint8Array>
  readonly #nextDelayMs: () => number
  readonly #bytesPerS: number | undefined
  /** When all that is to be sent so far will be, by the clock of `performance`. */
  #lineFreeMs = 0
  #schedule: FaultSchedule
  readonly #pending = new WeakMap<Connection, Map<string, Want>>()
  #faultShownAt: number | undefined
  readonly #counts: Counts = {
    messages: 0,
    blockWants: 0,
    haveWants: 0,
    blocksSent: 0,
    spoiltSent: 0,
    blockBytes: 0,
    sentBytes: 0
  }

  constructor(blocks: readonly Block[], fault: FaultPlan, nextDelayMs: () => number, bytesPerS?: number) {
    this.#bytesPerS = bytesPerS
    this.#blocks = new Map(blocks.map(({ cid, bytes }) => [cid.toString(), bytes]))
    this.#nextDelayMs = nextDelayMs
    this.#schedule = new FaultSchedule(fault, performance.now())
  }

  get stats(): Omit<PeerStats, 'connections'> {
    return { ...this.#counts, faultShownAt: this.#faultShownAt }
  }

  /** Begins another fault; its periods and numbers of blocks count from now on. */
  setFault(fault: FaultPlan): void {
    this.#schedule = new FaultSchedule(fault, performance.now())
  }

  /** Reads what somebody wants until he has said all. */
  async read(stream: Stream, connection: Connection): Promise<void> {
    const decoder = new LengthPrefixedDecoder()
    for await (const bytes of stream) {
      for (const message of decoder.decode(bytes)) {
        this.#counts.messages++
        this.#heed(decodeWants(message.subarray()), connection)
      }
    }
  }

  /** Wants of one message: those that are to be answered in good order are so together. */
  #heed(wants: readonly Want[], connection: Connection): void {
    const prompt: Due[] = []
    const late: Due[] = []
    for (const want of wants) {
      const cid = CID.decode(want.cid)
      const pending = this.#pendingOf(connection)
      if (want.kind === 'CANCEL') pending.delete(cid.toString())
      else if (pending.size < MAX_PENDING) {
        const fault = this.#count(want, cid)
        if (fault !== 'none') this.#faultShownAt ??= performance.timeOrigin + performance.now()
        const due = this.#due(want, cid, fault)
        if (fault === 'disconnect') void disconnect(connection)
        if (due === undefined) continue
        pending.set(cid.toString(), want)
        if (fault === 'drip' && due.answer.kind === 'BLOCK') void this.#drip(connection, due)
        else if (fault === 'slow') late.push(due)
        else prompt.push(due)
      }
    }
    void this.#send(connection, prompt, this.#nextDelayMs())
    void this.#send(connection, late, SLOW_MS)
  }

  /** Counts what is asked, and finds out what is done about it. */
  #count({ kind }: Want, cid: CID): FaultKind {
    const now = performance.now()
    if (kind === 'HAVE') {
      this.#counts.haveWants++
      return this.#schedule.forWord(now)
    }
    this.#counts.blockWants++
    return this.#blocks.has(cid.toString()) ? this.#schedule.forBlock(now) : this.#schedule.forWord(now)
  }

  /** What is to be said to a want; `undefined` for nothing. */
  #due(want: Want, cid: CID, fault: FaultKind): Due | undefined {
    if (fault === 'stall' || fault === 'disconnect') return undefined
    const word = (kind: 'HAVE' | 'DONT_HAVE'): Due => ({ want, answer: { cid, kind }, isSpoilt: false })
    if (fault === 'lie') return word('HAVE')
    const data = fault === 'dont-have' ? undefined : this.#blocks.get(cid.toString())
    if (data === undefined) return want.sendDontHave ? word('DONT_HAVE') : undefined
    if (want.kind === 'HAVE') return word('HAVE')
    const isSpoilt = fault === 'corrupt'
    return { want, answer: { cid, kind: 'BLOCK', data: isSpoilt ? spoil(data) : data }, isSpoilt }
  }

  /** Sends answers after a while, in messages of a size that is usual, but for those that were cancelled meanwhile. */
  async #send(connection: Connection, dues: readonly Due[], delayMs: number): Promise<void> {
    if (dues.length === 0) return
    await sleep(delayMs)
    try {
      for (const part of inMessages(dues)) await this.#sendMessage(connection, part)
    } catch {
      // Whoever asked is gone.
    }
  }

  async #sendMessage(connection: Connection, dues: readonly Due[]): Promise<void> {
    const wanted = dues.filter(due => this.#take(connection, due))
    if (wanted.length === 0) return
    const message = encodeAnswers(wanted.map(({ answer }) => answer))
    await sendMessage(connection, message, this.#passage(message.length))
    this.#counts.sentBytes += message.length
    for (const { answer, isSpoilt } of wanted) {
      if (answer.kind !== 'BLOCK') continue
      if (isSpoilt) {
        this.#counts.spoiltSent++
        this.#counts.sentBytes -= answer.data.length
      } else {
        this.#counts.blocksSent++
        this.#counts.blockBytes += answer.data.length
      }
    }
  }

  /** When so many bytes can go over the line, after all that is to go over it before. */
  #passage(bytes: number): Passage | undefined {
    const bytesPerS = this.#bytesPerS
    if (bytesPerS === undefined) return undefined
    const beginMs = Math.max(this.#lineFreeMs, performance.now())
    this.#lineFreeMs = beginMs + (1_000 * bytes) / bytesPerS
    return { beginMs, bytesPerS }
  }

  async #drip(connection: Connection, due: Due): Promise<void> {
    this.#take(connection, due)
    try {
      await dripMessage(connection, encodeAnswers([due.answer]), bytes => {
        this.#counts.sentBytes += bytes
      })
      this.#counts.blocksSent++
      if (due.answer.kind === 'BLOCK') this.#counts.blockBytes += due.answer.data.length
    } catch {
      // Whoever asked is gone.
    }
  }

  /** Takes a want as answered. Returns whether it still was wanted. */
  #take(connection: Connection, { want, answer }: Due): boolean {
    const pending = this.#pendingOf(connection)
    const key = answer.cid.toString()
    return pending.get(key) === want && pending.delete(key)
  }

  #pendingOf(connection: Connection): Map<string, Want> {
    const pending = this.#pending.get(connection) ?? new Map<string, Want>()
    this.#pending.set(connection, pending)
    return pending
  }
}

/** As few messages as there can be of that size. */
function inMessages(dues: readonly Due[]): Due[][] {
  const messages: Due[][] = [[]]
  let bytes = 0
  for (const due of dues) {
    const size = due.answer.kind === 'BLOCK' ? due.answer.data.length : 0
    if (bytes > 0 && bytes + size > MESSAGE_BYTES) {
      messages.push([])
      bytes = 0
    }
    messages.at(-1)!.push(due)
    bytes += size
  }
  return messages
}

/** How long a peer takes for each answer: about so many ms. */
export function delays(meanMs: number, random: () => number): () => number {
  return () => meanMs * (1 + JITTER * (2 * random() - 1))
}

/** Other bytes, as many. */
function spoil(data: Uint8Array): Uint8Array {
  return data.map(byte => byte ^ 0xff)
}

async function disconnect(connection: Connection): Promise<void> {
  await connection
    .close({ signal: AbortSignal.timeout(CLOSE_LIMIT_MS) })
    .catch(error => connection.abort(error))
}
