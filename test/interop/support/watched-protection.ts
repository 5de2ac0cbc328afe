import type { Metrics } from '@libp2p/interface'
import {
  type BitswapProtectionComponents,
  type BitswapProtectionInit,
  type BitswapProtectionManager,
  bitswapProtection
} from '../../../src/bitswap/index.ts'

/** The service with metrics that the rest of the node does not have. */
export function watchedProtection(
  init: BitswapProtectionInit,
  metrics: Metrics
): (components: BitswapProtectionComponents) => BitswapProtectionManager {
  const create = bitswapProtection(init)
  return components =>
    create(
      new Proxy(components, {
        get: (target, name) => (name === 'metrics' ? metrics : Reflect.get(target, name))
      })
    )
}
