import { peerIdFromString } from '@libp2p/peer-id'
import { defaultProtectionOptions, type ProtectionOptions } from '../core/index.ts'
import {
  anyObject,
  durationMs,
  numberBetween,
  oneOf,
  type Rule,
  type Rules,
  resolveOptions,
  trueOrFalse
} from '../core/options.ts'
import { protectionRules } from '../core/protection.ts'
import { type TuningMode, tuningModes } from './auto-tuner.ts'
import type { InboundOptions } from './inbound-guard.ts'

/** Options of the service: those of the protection, and how long peers are waited for. */
export interface BitswapProtectionOptions extends Omit<ProtectionOptions, 'preset'> {
  /**
   * Time a caller waits for a Bitswap stream at most, in ms, from 1. Then the message is taken from him, and delivered
   * if the stream still opens. Also what is allowed a peer that nothing is known of before it is suspected.
   */
  openWaitMs: number
  /** Time a peer has to open a Bitswap stream before it is found not to respond, in ms, from 1. */
  openTimeoutMs: number
  /** Least time a peer has to answer a want, in ms, from 1. It is longer for peers that are slow by nature. */
  wantTimeoutMs: number
  /** Whether peers whose circuit is OPEN are not dialled either, for any protocol. */
  gateDials: boolean
  /** Second requests that {@link BitswapProtectionManager.getBlock} may make: a share of the first ones, 0 to 1. */
  hedgeShare: number
  /**
   * How long what a peer did is held against it beyond a restart of the node, in ms since it last did something. It is
   * kept in the node's datastore. 0: not at all.
   */
  recordMaxAgeMs: number
  /** Whether `openWaitMs`, `wantTimeoutMs` and `hedgeShare` are fitted to what the node meets with, or that is suggested. */
  tuning: TuningMode
  /** What peers may ask of this node. */
  inbound: Partial<InboundOptions>
  /** Peers, by id, that are never refused for what they did: kept as last resort at worst. 1000 at most. */
  protectedPeers: readonly string[]
  /**
   * The only peers, by id, that {@link BitswapProtectionManager.getBlock} asks for blocks; all if there are none. 1000
   * at most.
   */
  allowedPeers: readonly string[]
}

/** Options given by the user; see {@link defaultBitswapProtectionOptions} for the others. */
export type BitswapProtectionInit = Partial<BitswapProtectionOptions>

const { preset: _default, ...protectionDefaults } = defaultProtectionOptions
const { preset: _rule, ...rulesOfProtection } = protectionRules

export const defaultBitswapProtectionOptions: Readonly<BitswapProtectionOptions> = Object.freeze({
  ...protectionDefaults,
  openWaitMs: 400,
  openTimeoutMs: 7_000,
  wantTimeoutMs: 2_000,
  gateDials: false,
  hedgeShare: 0.1,
  recordMaxAgeMs: 60 * 60_000,
  tuning: 'off',
  inbound: Object.freeze({}),
  protectedPeers: Object.freeze([]),
  allowedPeers: Object.freeze([])
})

const MAX_LISTED = 1_000

const peerIds: Rule = {
  allowed: `at most ${MAX_LISTED} peer ids, as text`,
  accepts: value => Array.isArray(value) && value.length <= MAX_LISTED && value.every(isPeerIdText)
}

function isPeerIdText(value: unknown): boolean {
  try {
    return peerIdFromString(value as string) !== undefined
  } catch {
    return false
  }
}

const rules: Rules<BitswapProtectionOptions> = {
  ...rulesOfProtection,
  openWaitMs: durationMs(1),
  openTimeoutMs: durationMs(1),
  wantTimeoutMs: durationMs(1),
  gateDials: trueOrFalse,
  hedgeShare: numberBetween(0, 1),
  recordMaxAgeMs: durationMs(0),
  tuning: oneOf(tuningModes),
  inbound: anyObject,
  protectedPeers: peerIds,
  allowedPeers: peerIds
}

/** @throws InvalidOptionError */
export function resolveBitswapProtectionOptions(
  init: BitswapProtectionInit
): Readonly<BitswapProtectionOptions> {
  const options = resolveOptions('bitswapProtection', defaultBitswapProtectionOptions, init, rules)
  // An id can be written in several ways.
  const written = (ids: readonly string[]): readonly string[] =>
    Object.freeze(ids.map(id => peerIdFromString(id).toString()))
  return Object.freeze({
    ...options,
    protectedPeers: written(options.protectedPeers),
    allowedPeers: written(options.allowedPeers)
  })
}
