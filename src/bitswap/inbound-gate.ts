import type { ConnectionGater, MultiaddrConnection } from '@libp2p/interface'
import { tryGetNetConfig } from '@libp2p/utils'
import type { Clock } from '../core/index.ts'
import { Override } from './override.ts'
import { RateLimit } from './rate-limit.ts'

/**
 * Whoever is shut out is known only after the handshake, which costs the most. From an address from which such peers come,
 * so many are made at once, and then one in this time, in ms.
 */
const KNOCKS = 3
const KNOCK_MS = 20_000

/** Keeps peers from connecting that flood this node. The user's own gater is asked first. */
export class InboundGate {
  readonly #knocks: RateLimit
  readonly #overrides: readonly [
    Override<ConnectionGater, 'denyInboundConnection'>,
    Override<ConnectionGater, 'denyInboundEncryptedConnection'>
  ]

  /**
   * @param isShutOut - whether a peer, by key, is not to be let in at the moment
   * @param maxTracked - addresses that are remembered
   */
  constructor(gater: ConnectionGater, clock: Clock, isShutOut: (key: string) => boolean, maxTracked: number) {
    this.#knocks = new RateLimit(maxTracked, KNOCKS * KNOCK_MS, clock)
    this.#overrides = [
      new Override(
        gater,
        'denyInboundConnection',
        original => async connection =>
          (await original?.(connection)) === true || this.#isKnockedOn(connection)
      ),
      // Only now it is known who the peer is.
      new Override(gater, 'denyInboundEncryptedConnection', original => async (peer, connection) => {
        if ((await original?.(peer, connection)) === true) return true
        if (!isShutOut(peer.toString())) return false
        const host = hostOf(connection)
        if (host !== undefined) this.#knocks.charge(host, KNOCK_MS)
        return true
      })
    ]
  }

  start(): void {
    for (const override of this.#overrides) override.activate()
  }

  stop(): void {
    for (const override of this.#overrides) override.deactivate()
  }

  #isKnockedOn(connection: MultiaddrConnection): boolean {
    const host = hostOf(connection)
    return host !== undefined && this.#knocks.debtMs(host) > (KNOCKS - 1) * KNOCK_MS
  }
}

/** Whose address it is; nobody's if it is that of a relay. */
function hostOf({ remoteAddr }: MultiaddrConnection): string | undefined {
  if (remoteAddr.getComponents().some(({ name }) => name === 'p2p-circuit')) return undefined
  return tryGetNetConfig(remoteAddr)?.host
}
