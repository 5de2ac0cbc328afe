import type { ConnectionGater } from '@libp2p/interface'
import type { Protection } from '../core/index.ts'
import { Override } from './override.ts'

/**
 * Keeps peers from being dialled, for any protocol, while their circuit is OPEN. The user's own gater is asked first.
 */
export class DialGate {
  readonly #denyDialPeer: Override<ConnectionGater, 'denyDialPeer'>

  constructor(gater: ConnectionGater, protection: Protection) {
    this.#denyDialPeer = new Override(gater, 'denyDialPeer', original => async peer => {
      if ((await original?.(peer)) === true) return true
      const status = protection.getPeerStatus(peer.toString())
      return protection.mode === 'enforce' && status?.circuitState === 'OPEN' && !status.isDemoted
    })
  }

  start(): void {
    this.#denyDialPeer.activate()
  }

  stop(): void {
    this.#denyDialPeer.deactivate()
  }
}
