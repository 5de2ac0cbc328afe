import { defaultProtectionOptions, type ProtectionOptions } from '../core/index.ts'
import { durationMs, numberBetween, type Rules, resolveOptions, trueOrFalse } from '../core/options.ts'
import { protectionRules } from '../core/protection.ts'

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
  recordMaxAgeMs: 60 * 60_000
})

const rules: Rules<BitswapProtectionOptions> = {
  ...rulesOfProtection,
  openWaitMs: durationMs(1),
  openTimeoutMs: durationMs(1),
  wantTimeoutMs: durationMs(1),
  gateDials: trueOrFalse,
  hedgeShare: numberBetween(0, 1),
  recordMaxAgeMs: durationMs(0)
}

/** @throws InvalidOptionError */
export function resolveBitswapProtectionOptions(
  init: BitswapProtectionInit
): Readonly<BitswapProtectionOptions> {
  return resolveOptions('bitswapProtection', defaultBitswapProtectionOptions, init, rules)
}
