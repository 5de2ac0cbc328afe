import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { messageOf, UsageError } from './command-error.ts'
import { harmless, shorten } from './terminal/visible-text.ts'

const SHAPE = '/ip4/<address>/tcp/<port>/p2p/<peer id>, or with ip6, dns4, dns6 or dns'
/** The parts of an address that can be reached over TCP, one after another. */
const dialable = /^(ip4|ip6zone,ip6|ip6|dns|dns4|dns6),tcp,p2p$/

/** A peer and where it can be reached. */
export interface ProviderAddresses {
  readonly peerId: string
  readonly multiaddrs: readonly Multiaddr[]
}

/** Whom several addresses are of. @throws UsageError */
export function groupByPeer(peers: readonly string[]): ProviderAddresses[] {
  const groups = new Map<string, Multiaddr[]>()
  for (const text of new Set(peers)) {
    const { peerId, multiaddr } = peerAddress(text)
    groups.set(peerId, [...(groups.get(peerId) ?? []), multiaddr])
  }
  return [...groups].map(([peerId, multiaddrs]) => ({ peerId, multiaddrs }))
}

/**
 * Reads the address of a peer.
 *
 * @throws UsageError unless it is one over plain TCP that says which peer is meant
 */
export function peerAddress(text: string): { peerId: string; multiaddr: Multiaddr } {
  const name = `'${shorten(harmless(text), 120)}'`
  const address = decode(text, name)
  const components = address.getComponents()
  const peerId = components.at(-1)?.name === 'p2p' ? components.at(-1)?.value : undefined
  if (peerId === undefined) {
    throw new UsageError(`invalid peer ${name}: it must end with /p2p/<peer id>; allowed is ${SHAPE}`)
  }
  if (!isPeerId(peerId)) {
    throw new UsageError(
      `invalid peer ${name}: '${peerId}' is no peer id; one looks like 12D3KooW... or Qm...`
    )
  }
  const names = components.map(component => component.name)
  if (names.includes('p2p-circuit')) {
    throw new UsageError(`invalid peer ${name}: relayed addresses are not supported; allowed is ${SHAPE}`)
  }
  if (!dialable.test(names.join(','))) {
    throw new UsageError(`invalid peer ${name}: only plain TCP is supported; allowed is ${SHAPE}`)
  }
  if (components.find(component => component.name === 'tcp')?.value === '0') {
    throw new UsageError(`invalid peer ${name}: nobody can be reached at port 0`)
  }
  return { peerId, multiaddr: address }
}

function isPeerId(text: string): boolean {
  try {
    peerIdFromString(text)
    return true
  } catch {
    return false
  }
}

function decode(text: string, name: string): Multiaddr {
  try {
    return multiaddr(text.trim())
  } catch (error) {
    throw new UsageError(`invalid peer ${name}: ${harmless(messageOf(error))}; allowed is ${SHAPE}`)
  }
}
