import { isPrivateIp, tryGetNetConfig } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'

/** 96 bits that make an IPv6 address of an IPv4 address (RFC 4291, 2.5.5.2). */
const MAPPED_IPV4 = [0, 0, 0, 0, 0, 0xffff]

/**
 * The network that the peer at an address is part of: whoever has one address there can have the others.
 *
 * Of IPv4 it is the /24, the longest prefix that is routed between networks as a rule, so those in it have one operator
 * (ElectrumX shares its cost limits by it as well). Of IPv6 it is the /56 a household is given (RIPE-690, 4.2), by which
 * go-libp2p counts connections, too (`p2p/host/resource-manager/conn_limiter.go`).
 *
 * @returns `undefined` where peers have nothing in common for having the same address or one nearby: on this machine,
 * in private networks, behind a relay, behind a name
 */
export function subnetOf(address: Multiaddr): string | undefined {
  const network = tryGetNetConfig(address)
  if (network?.type !== 'ip4' && network?.type !== 'ip6') return undefined
  const isRelayed = address.getComponents().some(({ name }) => name === 'p2p-circuit')
  if (isRelayed || isPrivateIp(network.host) !== false) return undefined
  return network.type === 'ip4' ? subnetOf4(network.host) : subnetOf6(network.host)
}

function subnetOf4(host: string): string {
  return `${host.split('.', 3).join('.')}.0/24`
}

function subnetOf6(host: string): string {
  const groups = groupsOf(host)
  if (MAPPED_IPV4.every((group, index) => groups[index] === group)) {
    const [high, low] = groups.slice(6) as [number, number]
    return subnetOf4(`${high >> 8}.${high & 0xff}.${low >> 8}.0`)
  }
  const [first, second, third, fourth] = groups as [number, number, number, number]
  const prefix = [first, second, third, fourth & 0xff00]
  return `${prefix.map(group => group.toString(16)).join(':')}::/56`
}

/** The eight groups of 16 bits of an IPv6 address, as multiaddrs write it: without an IPv4 address in it. */
function groupsOf(host: string): number[] {
  const [before = [], after = []] = host.split('::').map(half =>
    half
      .split(':')
      .filter(group => group !== '')
      .map(group => Number.parseInt(group, 16))
  )
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
}
