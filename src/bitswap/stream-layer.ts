import type { Logger, PeerId, Stream } from '@libp2p/interface'
import type { Registrar } from '@libp2p/interface-internal'
import { Deadlines } from '../core/deadlines.ts'
import type { Clock, Outcome, Protection, RejectedError } from '../core/index.ts'
import type { AutoTuner } from './auto-tuner.ts'
import { InboundGuard, type InboundOptions, OverBudgetError } from './inbound-guard.ts'
import { InboundObserver } from './inbound-observer.ts'
import type { LoopLag } from './loop-lag.ts'
import { type BlockTaker, MessageWatch } from './message-watch.ts'
import { Owing } from './owing.ts'
import { PeerJudge } from './peer-judge.ts'
import { type PeerLink, PeerLinks } from './peer-link.ts'
import type { ProtectionMetrics } from './protection-metrics.ts'
import { type GateComponents, StreamGate } from './stream-gate.ts'

/** What it needs of the node. */
export interface StreamLayerComponents extends GateComponents {
  readonly registrar: Registrar
}

/** What it needs of the service it is part of. */
export interface StreamLayerContext {
  readonly protection: Protection
  readonly clock: Clock
  readonly metrics: ProtectionMetrics
  readonly tuner: AutoTuner
  readonly loopLag: LoopLag
  readonly log: Logger
  readonly openTimeoutMs: number
  readonly inbound: Readonly<InboundOptions>
  /** Peers, and subnets, that have budgets of their own for what they ask. */
  readonly maxTracked: number
  /** Peers, by key, that are never refused for what they did. */
  readonly kept: ReadonlySet<string>
  /** Whoever fetches blocks himself, if there is somebody at the moment. */
  readonly taker: () => BlockTaker | undefined
  readonly onSuspect: (link: PeerLink) => void
  /** A suspect responds. */
  readonly onCleared: (link: PeerLink) => void
  /** A block came that was asked for; `wasRefused` if enforcing would have kept it from being asked for. */
  readonly onBlock: (link: PeerLink, wasRefused: boolean) => void
  /** The last connection to a peer is gone, because the peer closed it or it broke if `isItsFault`. */
  readonly onGone: (link: PeerLink, isItsFault: boolean) => void
}

/** All that sits in the Bitswap streams of a node: lets them through or not, reads along, and tells of peers. */
export class StreamLayer {
  readonly links = new PeerLinks()
  readonly deadlines: Deadlines
  readonly #context: StreamLayerContext
  readonly #owing: Owing
  readonly #judge: PeerJudge
  readonly #gate: StreamGate
  readonly #guard: InboundGuard
  readonly #inbound: InboundObserver
  readonly #watch: MessageWatch
  #isStarted = false

  constructor(components: StreamLayerComponents, context: StreamLayerContext) {
    const { protection, clock, metrics, tuner, log } = context
    const { links } = this
    this.#context = context
    this.deadlines = new Deadlines(clock)
    this.#owing = new Owing(components.registrar, protection, clock, links, this.deadlines, log)
    this.#judge = this.#createJudge()
    const guard = this.#createGuard()
    this.#guard = guard
    const onHeldBack = (link: PeerLink, { reason }: RejectedError): void => {
      metrics.noteRejection(reason)
      this.#owing.heldBack(link)
    }
    const watch = new MessageWatch({
      guard,
      judge: this.#judge,
      taker: context.taker,
      isOff: () => !this.#isWatching,
      onRefused: onHeldBack,
      log
    })
    this.#watch = watch
    const limits = {
      get openWaitMs() {
        return tuner.limits.openWaitMs
      },
      openTimeoutMs: context.openTimeoutMs
    }
    this.#gate = new StreamGate(
      components,
      protection,
      clock,
      links,
      this.#judge,
      this.deadlines,
      limits,
      {
        onStream: (stream, link, connection, pass) => {
          if (this.#isWatching) watch.watchSending(stream, link, connection, pass)
        },
        onOpened: elapsedMs => {
          metrics.noteOpen(elapsedMs)
          if (this.#isWatching) tuner.opened(elapsedMs)
        },
        onHeldBack,
        onLost: link => this.#owing.lost(link),
        onTaken: () => watch.noteStockAsking(),
        onGone: (link, isItsFault) => {
          guard.gone(link)
          context.onGone(link, isItsFault)
        }
      },
      log
    )
    this.#inbound = new InboundObserver(components.registrar, (stream, connection) => {
      const link = links.find(connection.remotePeer.toString())
      if (link !== undefined && this.#isWatching) watch.watchReceiving(stream, link, connection)
    })
  }

  start(): void {
    this.#isStarted = true
    if (!this.#isWatching) this.lookAway()
    this.#gate.start()
    this.#owing.start()
    this.#inbound.start()
  }

  /** What is asked for from now on may not be seen. */
  lookAway(): void {
    this.#watch.noteStockAsking()
  }

  /** Leaves the node as it was. */
  stop(): void {
    this.#isStarted = false
    this.lookAway()
    this.#inbound.stop()
    this.#context.loopLag.stop()
    this.#gate.stop()
    this.#judge.dismiss()
    this.deadlines.clear()
    this.#owing.stop()
    for (const link of this.links.values()) this.links.release(link)
  }

  /** Whether a peer is not to be let in, since it flooded this node. */
  isShutOut(key: string): boolean {
    return this.#context.protection.mode === 'enforce' && this.#guard.isShutOut(key)
  }

  /** Opens a stream to a peer for what has been admitted already. */
  open(link: PeerLink): Promise<Stream> {
    return this.#gate.open(link)
  }

  /** Has Bitswap send a peer what is wanted. */
  announce(link: PeerLink): void {
    if (this.#isStarted) this.#owing.announce(link)
  }

  /** A peer could not be dialled, which began at `sinceMs` awake. Returns how that counts. */
  judgeDial(peer: PeerId, error: unknown, sinceMs: number): Outcome {
    const link = this.links.claim(peer)
    const outcome = this.#judge.openFailed(link, undefined, error, sinceMs)
    this.links.release(link)
    return outcome
  }

  get #isWatching(): boolean {
    return this.#isStarted && this.#context.protection.mode !== 'off'
  }

  #createJudge(): PeerJudge {
    const { protection, clock, tuner, metrics, log, onSuspect, onCleared, onBlock } = this.#context
    return new PeerJudge(protection, clock, this.links, this.deadlines, tuner.limits, {
      onSuspect: link => {
        log('%p is suspected not to respond', link.peer)
        if (!this.#isStarted) return
        this.#gate.probe(link)
        onSuspect(link)
      },
      onCleared: link => {
        log('%p responds', link.peer)
        if (link.isOwed) this.announce(link)
        onCleared(link)
      },
      onLost: link => this.#owing.lost(link),
      onWant: (result, elapsedMs, isOverdue) => {
        metrics.noteWant(result, elapsedMs)
        if (result === 'answered') tuner.answered(elapsedMs)
        if (result === 'failed') tuner.failed(isOverdue)
      },
      onBlock
    })
  }

  #createGuard(): InboundGuard {
    const { protection, clock, loopLag, metrics, log, inbound, maxTracked, kept } = this.#context
    return new InboundGuard(inbound, maxTracked, {
      clock,
      lagMs: () => loopLag.read(),
      isEnforcing: () => protection.mode === 'enforce',
      onOverrun: (link, overrun) => {
        log.trace('%p goes beyond its budget: %s', link.peer, overrun)
        metrics.noteInboundRefusal(overrun)
      },
      mayShutOut: ({ key }) => !kept.has(key),
      onShutOut: link => {
        log('%p goes on although it is refused, and is disconnected', link.peer)
        metrics.noteShutOut()
        for (const connection of [...link.connections]) connection.abort(new OverBudgetError())
      }
    })
  }
}
