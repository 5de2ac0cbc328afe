import type { Libp2p } from '@libp2p/interface'
import type { ProviderAddresses } from './peer-address.ts'
import { Provider, type ProviderState } from './provider.ts'

/** Everyone a file may be fetched from. */
export class Providers {
  readonly #providers: readonly Provider[]

  /** @param signal - ends all dialling */
  constructor(libp2p: Libp2p, addresses: readonly ProviderAddresses[], signal: AbortSignal) {
    this.#providers = addresses.map(each => new Provider(libp2p, each, signal))
  }

  /** Whether any can be asked: true as soon as the first can, false once all were tried in vain. */
  async connect(): Promise<boolean> {
    const attempts = this.#providers.map(async provider => {
      await provider.connect()
      void provider.stayConnected()
      if (!provider.state.isReady) throw new Error(provider.state.problem)
    })
    return await Promise.any(attempts).then(
      () => true,
      () => false
    )
  }

  get states(): ProviderState[] {
    return this.#providers.map(provider => provider.state)
  }

  get readyCount(): number {
    return this.#providers.filter(provider => provider.state.isReady).length
  }

  /** Drops all connections, to be made anew: the last thing to try when nobody answers any more. */
  renew(): void {
    for (const provider of this.#providers) provider.renew()
  }
}
