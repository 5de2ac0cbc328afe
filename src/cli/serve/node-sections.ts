import { multiaddr } from '@multiformats/multiaddr'
import { resolveBitswapProtectionOptions } from '../../bitswap/bitswap-options.ts'
import { resolveInboundOptions } from '../../bitswap/inbound-guard.ts'
import {
  type BitswapProtectionInit,
  defaultBitswapProtectionOptions,
  defaultInboundOptions
} from '../../bitswap/index.ts'
import { resolveCircuitBreakerOptions } from '../../core/circuit-breaker.ts'
import { resolveHealthOptions } from '../../core/health-monitor.ts'
import { defaultHealthOptions, defaultRecoveryOptions, presets } from '../../core/index.ts'
import { wholeNumber } from '../../core/options.ts'
import { resolveRecoveryOptions } from '../../core/recovery-manager.ts'
import { CommandError } from '../command-error.ts'
import type { ConfigObject } from '../config/config-object.ts'
import { namesOf, readOptions, readPart } from '../config/config-options.ts'
import { onlyGiven } from '../config/only-given.ts'
import { readBreaker } from '../config/relay-config.ts'
import { peerAddress } from '../peer-address.ts'

// What a config file says of the node and of how it is protected.

/** The node that fetches and serves blocks. */
export interface NodeConfig {
  /** Where it listens, as multiaddrs. */
  readonly listen: readonly string[]
  /** Whom it stays connected to, as multiaddrs with `/p2p/…` at the end. */
  readonly peers: readonly string[]
  /** What the blocks that are kept may have together, in bytes: those go that nobody asked for of late. From 16 MiB. */
  readonly maxStoredBytes: number
}

/** No block is larger than half of it. */
const storedBytes = wholeNumber(16_777_216, Number.MAX_SAFE_INTEGER)

export const defaultNodeConfig: NodeConfig = Object.freeze({
  listen: Object.freeze(['/ip4/127.0.0.1/tcp/0']),
  peers: Object.freeze([]),
  // As kubo has it (Datastore.StorageMax).
  maxStoredBytes: 10_000_000_000
})

/** `false` is for none. @throws ConfigError */
export function readNode(config: ConfigObject): NodeConfig | undefined {
  if (config.given('node') === false) return undefined
  const node = config.object('node', namesOf(defaultNodeConfig))
  if (node === undefined) return defaultNodeConfig
  return {
    listen: readAddresses(node, 'listen', text => multiaddr(text)),
    peers: readAddresses(node, 'peers', text => peerAddress(text)),
    maxStoredBytes: readStoredBytes(node)
  }
}

function readStoredBytes(node: ConfigObject): number {
  const given = node.given('maxStoredBytes')
  if (given === undefined) return defaultNodeConfig.maxStoredBytes
  if (!storedBytes.accepts(given)) throw node.file.error(node.keyOf('maxStoredBytes'), storedBytes.allowed)
  return given as number
}

function readAddresses(
  node: ConfigObject,
  name: 'listen' | 'peers',
  check: (text: string) => unknown
): readonly string[] {
  const given = node.given(name)
  if (given === undefined) return defaultNodeConfig[name]
  if (!Array.isArray(given)) throw node.file.error(node.keyOf(name), 'a list of multiaddrs')
  for (const [index, address] of given.entries()) {
    const key = `${node.keyOf(name)}[${index}]`
    if (typeof address !== 'string') throw node.file.error(key, 'a multiaddr')
    try {
      check(address)
    } catch (error) {
      const why = error instanceof CommandError ? error.message : 'a multiaddr such as /ip4/0.0.0.0/tcp/4001'
      throw node.file.error(key, why)
    }
  }
  return given as string[]
}

/** @throws ConfigError */
export function readProtection(config: ConfigObject): BitswapProtectionInit {
  const own = namesOf(defaultBitswapProtectionOptions).filter(name => name !== 'breaker')
  const given = config.object('protection', [...own, 'circuitBreaker'])
  if (given === undefined) return {}
  const breaker = readBreaker(given)
  const options = {
    ...readOptions(given, defaultBitswapProtectionOptions),
    ...onlyGiven<BitswapProtectionInit>({
      breaker,
      health: readPart(given, 'health', defaultHealthOptions),
      recovery: readPart(given, 'recovery', defaultRecoveryOptions),
      inbound: readPart(given, 'inbound', defaultInboundOptions)
    })
  }
  given.checked(() => {
    resolveBitswapProtectionOptions(options)
    resolveCircuitBreakerOptions(options.breaker, presets.bitswap)
    resolveHealthOptions(options.health)
    resolveRecoveryOptions(options.recovery)
    resolveInboundOptions(options.inbound ?? {})
  })
  return options
}
