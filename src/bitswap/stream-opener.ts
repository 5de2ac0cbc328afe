import {
  AbortError,
  type Connection,
  type Logger,
  type NewStreamOptions,
  type Stream,
  TimeoutError
} from '@libp2p/interface'
import type { Deadline, Deadlines } from '../core/deadlines.ts'
import type { RejectedError } from '../core/index.ts'
import { Ring, RingElement } from '../core/ring.ts'
import { isUnsupported } from './blame.ts'
import { DeferredStream } from './deferred-stream.ts'
import type { Pass } from './pass.ts'
import type { PeerJudge } from './peer-judge.ts'
import type { PeerLink, PeerLinks } from './peer-link.ts'
import { isBitswap } from './protocols.ts'

export type NewStream = Connection['newStream']

/** A peer is not taken for late earlier than this, in ms: scheduling and garbage collection alone take a while. */
const MIN_LATE_MS = 100

/** Nobody waits for streams to peers that usually take longer than this to open one, in ms. */
const SLOW_OPEN_MS = 50

/** Limits of opening streams. */
export interface OpenLimits {
  readonly openWaitMs: number
  readonly openTimeoutMs: number
}

/** A stream to be opened. */
export interface OpenRequest {
  readonly link: PeerLink
  /** `undefined` for one that is to be dialled. */
  readonly connection: Connection | undefined
  readonly newStream: NewStream
  readonly protocols: string[]
  readonly options: NewStreamOptions
  readonly pass: Pass
  /** Whether it is opened for nothing but to find out whether the peer responds. */
  readonly isProbe?: boolean
}

/** Who is told what becomes of streams, and asked what to do. */
export interface OpenHandlers {
  /** A stream is open: whoever wants to see what goes over it must look from now on. */
  onStream(stream: Stream, link: PeerLink, connection: Connection | undefined, pass: Pass): void
  onOpened(elapsedMs: number): void
  /** A sender goes on without his stream: he counts on it that his message is delivered. */
  onTaken(): void
  /** A stream is open, or will never be: there is room for another. */
  onSettled(link: PeerLink): void
  /** A message that was taken from its sender did not reach the peer. */
  onLost(link: PeerLink): void
  /** Nothing can stand for a stream that is late; the error is for who waits for it. */
  holdBack(link: PeerLink): RejectedError
}

/** A stream that is being opened. */
class Opening extends RingElement {
  readonly request: OpenRequest
  /** In ms awake. */
  readonly sinceMs: number
  /** After this long, in ms, it speaks against the peer. */
  readonly lateAfterMs: number
  /** Of one that goes on whatever becomes of whoever asked for it. */
  readonly limit: AbortController | undefined
  /** For what comes next: nobody waits any longer, it is late, or out of time. */
  deadline: Deadline | undefined
  /** Lets whoever waits for it go on without. */
  goOn: (() => void) | undefined

  constructor(request: OpenRequest, sinceMs: number, lateAfterMs: number, limit?: AbortController) {
    super()
    this.request = request
    this.sinceMs = sinceMs
    this.lateAfterMs = lateAfterMs
    this.limit = limit
  }
}

/** Opens streams, sees what that tells of peers, and lets nobody wait for one that is slow to come. */
export class StreamOpener {
  readonly #links: PeerLinks
  readonly #judge: PeerJudge
  readonly #deadlines: Deadlines
  readonly #limits: OpenLimits
  readonly #handlers: OpenHandlers
  readonly #log: Logger
  readonly #underWay = new Ring<Opening>()

  constructor(
    links: PeerLinks,
    judge: PeerJudge,
    deadlines: Deadlines,
    limits: OpenLimits,
    handlers: OpenHandlers,
    log: Logger
  ) {
    this.#links = links
    this.#judge = judge
    this.#deadlines = deadlines
    this.#limits = limits
    this.#handlers = handlers
    this.#log = log
  }

  /** Opens a stream for somebody who sees to it himself that he does not wait too long. */
  open(request: OpenRequest): Promise<Stream> {
    return this.#run(this.#begin(request))
  }

  /** Opens a stream that goes on until it is open or out of time, whatever becomes of whoever asked for it. */
  openDetached(request: OpenRequest): Promise<Stream> {
    return this.#run(this.#begin(request, new AbortController()))
  }

  /**
   * Opens a detached stream for somebody who does not wait for it longer than is usual: after that he gets one that
   * stands for it, and what he writes is delivered later.
   *
   * @param isSteady - whether there is nothing against the peer; for another nobody waits at all
   */
  openPatiently(request: OpenRequest, isSteady: boolean): Promise<Stream> {
    const { link, protocols } = request
    const protocol = spokenBy(link, protocols)
    const waits = isSteady && link.openTime.meanMs <= SLOW_OPEN_MS
    const opening = this.#begin(request, new AbortController(), waits ? this.#limits.openWaitMs : Infinity)
    const opened = this.#run(opening)
    if (!waits && protocol !== undefined) return Promise.resolve(this.#standIn(opening, opened, protocol))
    return this.#wait(opening, opened, protocol)
  }

  /** Streams being opened go on, since what was written to them is taken for sent; but nobody waits for them. */
  stop(): void {
    for (const { request, goOn } of this.#underWay) {
      request.pass.settle('ignored')
      goOn?.()
    }
    this.#underWay.clear()
  }

  #begin(request: OpenRequest, limit?: AbortController, waitMs = Infinity): Opening {
    const { link, connection } = request
    const opening = new Opening(request, this.#deadlines.awakeMs, this.#lateAfterMs(link), limit)
    link.opening++
    if (limit !== undefined) {
      link.detached++
      if (connection !== undefined) link.tryingOn.push(connection)
    }
    if (request.isProbe) link.isProbed = true
    this.#underWay.add(opening)
    if (waitMs < opening.lateAfterMs) this.#when(opening, waitMs, () => this.#onWaitedEnough(opening))
    else this.#when(opening, opening.lateAfterMs, () => this.#onLate(opening))
    return opening
  }

  #end(opening: Opening): void {
    const { link, connection, isProbe } = opening.request
    opening.deadline?.cancel()
    link.opening--
    if (opening.limit !== undefined) {
      link.detached--
      if (connection !== undefined) link.tryingOn.splice(link.tryingOn.indexOf(connection), 1)
    }
    if (isProbe) link.isProbed = false
    opening.remove()
  }

  /** Has something done once the opening has taken `afterMs`. */
  #when(opening: Opening, afterMs: number, then: () => void): void {
    const leftMs = opening.sinceMs + afterMs - this.#deadlines.awakeMs
    opening.deadline = this.#deadlines.add(leftMs, then)
  }

  #onWaitedEnough(opening: Opening): void {
    opening.goOn?.()
    this.#when(opening, opening.lateAfterMs, () => this.#onLate(opening))
  }

  #onLate(opening: Opening): void {
    this.#judge.openIsLate(opening.request.link)
    opening.goOn?.()
    if (opening.limit !== undefined)
      this.#when(opening, this.#limits.openTimeoutMs, () => this.#onOutOfTime(opening))
  }

  #onOutOfTime({ request, limit }: Opening): void {
    const { openTimeoutMs } = this.#limits
    limit!.abort(new TimeoutError(`No stream to ${request.link.key} within ${openTimeoutMs} ms`))
  }

  #run(opening: Opening): Promise<Stream> {
    const { newStream, protocols, options } = opening.request
    const { limit } = opening
    return newStream(protocols, limit ? { ...options, signal: limit.signal } : options).then(
      stream => this.#onOpened(opening, stream),
      error => this.#onFailed(opening, error)
    )
  }

  #onOpened(opening: Opening, stream: Stream): Stream {
    const { link, connection, pass } = opening.request
    const elapsedMs = this.#deadlines.awakeMs - opening.sinceMs
    this.#end(opening)
    if (isBitswap(stream.protocol)) link.protocol = stream.protocol
    this.#judge.opened(link, elapsedMs)
    this.#handlers.onOpened(elapsedMs)
    this.#handlers.onStream(stream, link, connection, pass)
    this.#handlers.onSettled(link)
    this.#links.release(link)
    return stream
  }

  #onFailed(opening: Opening, error: unknown): never {
    const { link, connection, pass, options } = opening.request
    this.#end(opening)
    // By whoever asked for it. One that is detached ends only by its own limit.
    const wasGivenUp = opening.limit === undefined && options.signal?.aborted === true
    pass.settle(wasGivenUp ? 'ignored' : this.#judge.openFailed(link, connection, error, opening.sinceMs))
    // Who does not speak Bitswap will not be reached another time either.
    if (pass.isTaken && !isUnsupported(error)) this.#handlers.onLost(link)
    this.#handlers.onSettled(link)
    this.#links.release(link)
    throw error
  }

  #standIn({ request }: Opening, opened: Promise<Stream>, protocol: string): Stream {
    request.pass.isTaken = true
    this.#handlers.onTaken()
    return new DeferredStream(opened, protocol, this.#log)
  }

  /** The stream, or one that stands for it if whoever waits is to go on without. */
  #wait(opening: Opening, opened: Promise<Stream>, protocol: string | undefined): Promise<Stream> {
    const { link, options } = opening.request
    return new Promise((resolve, reject) => {
      const settled = (): void => {
        opening.goOn = undefined
        options.signal?.removeEventListener('abort', onAbort)
      }
      const giveUp = (reason: unknown): void => {
        settled()
        reject(reason)
        opened.then(discard, () => {})
      }
      const onAbort = (): void => giveUp(options.signal?.reason)
      options.signal?.addEventListener('abort', onAbort)
      opening.goOn = () => {
        if (protocol === undefined) return giveUp(this.#handlers.holdBack(link))
        settled()
        resolve(this.#standIn(opening, opened, protocol))
      }
      opened.then(
        stream => {
          settled()
          resolve(stream)
        },
        error => {
          settled()
          reject(error)
        }
      )
    })
  }

  /** After how long, in ms, a stream that is not open yet speaks against the peer. */
  #lateAfterMs({ openTime }: PeerLink): number {
    const { openWaitMs, openTimeoutMs } = this.#limits
    if (!openTime.isKnown) return openWaitMs
    return Math.min(Math.max(openTime.usualMs, MIN_LATE_MS), openTimeoutMs)
  }
}

/** Which of these protocols a stream to the peer will speak, as far as that is known. */
export function spokenBy(link: PeerLink, protocols: readonly string[]): string | undefined {
  return protocols.length === 1 ? protocols[0] : protocols.find(name => name === link.protocol)
}

/** Nobody wants it any more. */
export function discard(stream: Stream): void {
  stream.abort(new AbortError('The stream was not needed any more'))
}
