import type { Logger } from '@libp2p/interface'
import type { Registrar } from '@libp2p/interface-internal'
import type { Deadlines } from '../core/deadlines.ts'
import type { Clock, Protection } from '../core/index.ts'
import { announce } from './announce.ts'
import type { PeerLink, PeerLinks } from './peer-link.ts'

/** While something held back from a recovering peer waits, its ramp is looked at this often, in ms. */
const SWEEP_MS = 50

/** After a message was lost with its stream, the peer is announced this much later, in ms, to have it sent again. */
const LOST_SWEEP_MS = 1_000

/** Remembers which peers lack a message, and has them announced when that may help: then it is sent again. */
export class Owing {
  readonly #registrar: Registrar
  readonly #protection: Protection
  readonly #clock: Clock
  readonly #links: PeerLinks
  readonly #deadlines: Deadlines
  readonly #log: Logger
  /** Peers that lacked a message when it was stopped. */
  readonly #owedBefore = new Set<string>()
  #isStarted = false

  constructor(
    registrar: Registrar,
    protection: Protection,
    clock: Clock,
    links: PeerLinks,
    deadlines: Deadlines,
    log: Logger
  ) {
    this.#registrar = registrar
    this.#protection = protection
    this.#clock = clock
    this.#links = links
    this.#deadlines = deadlines
    this.#log = log
  }

  start(): void {
    this.#isStarted = true
    for (const key of this.#owedBefore) {
      const link = this.#links.find(key)
      if (link !== undefined) this.heldBack(link)
    }
    this.#owedBefore.clear()
  }

  /** What is owed is remembered. Its deadlines are cleared by whoever they belong to. */
  stop(): void {
    this.#isStarted = false
    for (const link of this.#links.values()) {
      if (link.isOwed) this.#owedBefore.add(link.key)
      link.isSwept = false
    }
  }

  /** Something meant for a peer was held back. */
  heldBack(link: PeerLink): void {
    this.#owe(link, SWEEP_MS)
  }

  /** Something meant for a peer was lost on its way. */
  lost(link: PeerLink): void {
    this.#owe(link, LOST_SWEEP_MS)
  }

  /** Has Bitswap send a peer what is wanted, if it may have something for it. */
  announce(link: PeerLink): void {
    if (this.#protection.mode !== 'enforce' || (!link.isOwed && link.protocol === undefined)) return
    this.#log.trace('announcing %p again', link.peer)
    announce(this.#registrar, link).catch(error =>
      this.#log.error('could not announce %p - %e', link.peer, error)
    )
  }

  #owe(link: PeerLink, sweepAfterMs: number): void {
    link.isOwed = true
    if (link.isSwept || !this.#isStarted) return
    link.isSwept = true
    this.#deadlines.add(sweepAfterMs, () => {
      link.isSwept = false
      this.#sweep(link)
    })
  }

  /** Lets what waits for a recovering peer earn its share. Who is OPEN or suspect has a way out of his own. */
  #sweep(link: PeerLink): void {
    if (!link.isOwed || link.connections.size === 0) return
    // As long as streams to it do not open there is no use in asking for more.
    const isBusy = link.opening > 0
    const now = this.#clock.now()
    if (!isBusy) this.#protection.table.ramp(this.#protection.slot(link.key, now), now)?.earn()
    if (!isBusy && this.#protection.canAdmit(link.key)) this.announce(link)
    else if (!this.#hasWayOut(link)) this.#owe(link, SWEEP_MS)
  }

  /** Whether the end of what holds a peer back is told, upon which it is announced. */
  #hasWayOut({ key }: PeerLink): boolean {
    return this.#protection.isSuspect(key) || this.#protection.getPeerStatus(key)?.circuitState === 'OPEN'
  }
}
