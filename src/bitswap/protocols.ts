/** What the newest Bitswap is called; what stock Helia speaks. */
export const BITSWAP = '/ipfs/bitswap/1.2.0'

/** All versions of Bitswap there are, newest first (boxo `bitswap/network/bsnet`). */
export const BITSWAP_PROTOCOLS: readonly string[] = Object.freeze([
  BITSWAP,
  '/ipfs/bitswap/1.1.0',
  '/ipfs/bitswap/1.0.0',
  '/ipfs/bitswap'
])

/** libp2p's ping, which nearly every peer answers. */
export const PING = '/ipfs/ping/1.0.0'

/** Whether nothing but Bitswap is asked for. */
export function isBitswap(protocols: string | readonly string[]): boolean {
  if (typeof protocols === 'string') return BITSWAP_PROTOCOLS.includes(protocols)
  return protocols.length > 0 && protocols.every(protocol => BITSWAP_PROTOCOLS.includes(protocol))
}
