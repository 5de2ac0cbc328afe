import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection, IdentifyResult, Libp2p, PeerId } from '@libp2p/interface'
import { dialProblem } from './dial-problem.ts'
import type { ProviderAddresses } from './peer-address.ts'

const BITSWAP = '/ipfs/bitswap/1.2.0'
/** A peer that takes longer until it can be asked will hardly be of use. */
const CONNECT_LIMIT_MS = 10_000
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 8000

/** How it stands with the connection to a provider. */
export interface ProviderState {
  readonly peerId: string
  readonly addresses: readonly string[]
  /** Connected, and known to speak Bitswap. */
  readonly isReady: boolean
  /** Why not, if that is known. */
  readonly problem: string | undefined
}

/**
 * The connection to one provider. It is made anew when it is lost: for Bitswap that is a new start, in which
 * everything still wanted is asked for again.
 */
export class Provider {
  readonly #libp2p: Libp2p
  readonly #addresses: ProviderAddresses
  readonly #signal: AbortSignal
  #isReady = false
  #problem: string | undefined
  /** Nothing another attempt could change. */
  #isUseless = false
  #isRenewed = false
  #onLost: (() => void) | undefined

  constructor(libp2p: Libp2p, addresses: ProviderAddresses, signal: AbortSignal) {
    this.#libp2p = libp2p
    this.#addresses = addresses
    this.#signal = signal
    libp2p.addEventListener('peer:disconnect', ({ detail }) => {
      if (this.#isMe(detail)) this.#lose()
    })
  }

  get state(): ProviderState {
    return {
      peerId: this.#addresses.peerId,
      addresses: this.#addresses.multiaddrs.map(String),
      isReady: this.#isReady,
      problem: this.#problem
    }
  }

  /** One attempt. It tells how it ended by the state. */
  async connect(): Promise<void> {
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(CONNECT_LIMIT_MS)])
    const identified = this.#nextIdentification(signal)
    try {
      await this.#libp2p.dial([...this.#addresses.multiaddrs], { signal })
      this.#problem = 'it accepted the connection, but does not say what it speaks'
      const { protocols } = await identified
      this.#isReady = protocols.includes(BITSWAP)
      this.#isUseless = !this.#isReady
      this.#problem = this.#isReady ? undefined : 'it does not speak Bitswap 1.2.0'
    } catch (error) {
      if (this.#connections.length === 0) this.#problem = dialProblem(error)
      // Nobody asks twice on one connection what a peer speaks.
      this.#abortConnections('Not identified')
    }
  }

  /** Connects again whenever that is needed, until aborted. */
  async stayConnected(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS
    while (!this.#signal.aborted && !this.#isUseless) {
      if (this.#isReady) {
        await new Promise<void>(resolve => {
          this.#onLost = resolve
        })
        pauseMs = this.#isRenewed ? 0 : FIRST_PAUSE_MS
        this.#isRenewed = false
      }
      await sleep(pauseMs, undefined, { signal: this.#signal, ref: false }).catch(() => {})
      pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, pauseMs * 2))
      if (!this.#signal.aborted) await this.connect()
    }
  }

  /** Drops the connection, for {@link stayConnected} to make it anew. */
  renew(): void {
    this.#isRenewed = this.#isReady
    this.#abortConnections('No answer')
  }

  #lose(): void {
    if (!this.#isReady) return
    this.#isReady = false
    this.#problem = this.#isRenewed ? 'it stopped answering' : 'the connection was lost'
    this.#onLost?.()
  }

  get #connections(): Connection[] {
    return this.#libp2p.getConnections().filter(({ remotePeer }) => this.#isMe(remotePeer))
  }

  #abortConnections(reason: string): void {
    for (const connection of this.#connections) connection.abort(new Error(reason))
  }

  #isMe(peer: PeerId): boolean {
    return peer.toString() === this.#addresses.peerId
  }

  #nextIdentification(signal: AbortSignal): Promise<IdentifyResult> {
    const { promise, resolve, reject } = Promise.withResolvers<IdentifyResult>()
    // Given up without having been waited for, if dialling fails.
    promise.catch(() => {})
    const listener = ({ detail }: CustomEvent<IdentifyResult>): void => {
      if (this.#isMe(detail.peerId)) resolve(detail)
    }
    this.#libp2p.addEventListener('peer:identify', listener)
    const stop = (): void => this.#libp2p.removeEventListener('peer:identify', listener)
    signal.addEventListener(
      'abort',
      () => {
        stop()
        reject(signal.reason)
      },
      { once: true }
    )
    promise.then(stop, () => {})
    return promise
  }
}
