import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import { type PeerLink, PeerLinks } from '../../src/bitswap/peer-link.ts'
import { Supply } from '../../src/bitswap/supply.ts'
import { ManualClock } from '../../src/core/index.ts'
import { FakeConnection } from './support/node.ts'
import { peerOf } from './support/peers.ts'

const HALF_LIFE_MS = 60_000

function create(kept: readonly PeerLink[] = []) {
  const clock = new ManualClock()
  const links = new PeerLinks()
  const ejected = new Set<string>()
  const supply = new Supply(links, {
    clock,
    isEjected: key => ejected.has(key),
    kept: new Set(kept.map(({ key }) => key)),
    maxShare: 0.5
  })
  let peers = 0
  return {
    clock,
    supply,
    /** A peer that speaks Bitswap, is connected at an address, and delivered so many blocks. */
    peer: (address = '/ip4/127.0.0.1/tcp/4001', blocks = 0): PeerLink => {
      const link = links.claim(peerOf(++peers))
      link.speaksBitswap = true
      const connection = new FakeConnection(link.peer)
      link.connections.add(Object.assign(connection, { remoteAddr: multiaddr(address) }))
      for (let block = 0; block < blocks; block++) supply.delivered(link)
      return link
    },
    /** A peer that is connected, but does not speak Bitswap. */
    stranger: (): PeerLink => {
      const link = links.claim(peerOf(++peers))
      link.connections.add(new FakeConnection(link.peer))
      return link
    },
    eject: (...refused: readonly PeerLink[]): void => {
      for (const { key } of refused) ejected.add(key)
    },
    mayEject: ({ key }: PeerLink): boolean => supply.mayEject(key)
  }
}

function address(subnet: number): string {
  return `/ip4/5.6.${subnet}.7/tcp/4001`
}

describe('blocks', () => {
  test('at most the share of them given is refused', () => {
    const { peer, mayEject, eject } = create()
    const [half, other, little] = [50, 48, 2].map((blocks, subnet) => peer(address(subnet), blocks))
    expect([half!, other!, little!].map(mayEject)).toEqual([true, true, true])
    eject(half!)
    expect(mayEject(half!)).toBe(true)
    expect([other!, little!].map(mayEject)).toEqual([false, false])
  })

  test('whoever delivers most of them is not refused, not even as the only one', () => {
    const { peer, mayEject } = create()
    const most = peer(address(1), 60)
    const others = [2, 3, 4].map(subnet => peer(address(subnet), 10))
    expect(mayEject(most)).toBe(false)
    expect(others.map(mayEject)).toEqual([true, true, true])
  })

  test('too few of them tell nothing', () => {
    const { peer, mayEject, supply } = create()
    const only = peer(address(1), 19)
    peer(address(2))
    expect(mayEject(only)).toBe(true)
    supply.delivered(only)
    expect(mayEject(only)).toBe(false)
  })

  test('of long ago are forgotten', () => {
    const { peer, mayEject, clock, supply } = create()
    const former = peer(address(1), 100)
    const present = peer(address(2))
    clock.advance(3 * HALF_LIFE_MS)
    for (let block = 0; block < 13; block++) supply.delivered(present)
    expect([former, present].map(mayEject)).toEqual([true, false])
  })
})

describe('subnets', () => {
  test('two are kept, if two are known', () => {
    const { peer, mayEject, eject } = create()
    const [a, b, c, d] = [1, 1, 2, 2].map(subnet => peer(address(subnet)))
    eject(a!)
    expect([b!, c!, d!].map(mayEject)).toEqual([false, true, true])
    eject(c!)
    expect([b!, d!].map(mayEject)).toEqual([false, false])
  })

  test('a peer is one of its own where its address tells nothing', () => {
    const { peer, mayEject, eject } = create()
    const [a, b, c, d] = [peer(), peer(), peer(), peer()]
    eject(a)
    expect([b, c, d].map(mayEject)).toEqual([true, true, true])
    eject(b)
    expect([c, d].map(mayEject)).toEqual([false, false])
  })

  test('one peer may be refused in any case', () => {
    const { peer, mayEject, eject } = create()
    const [a, b] = [peer(address(1)), peer(address(2))]
    expect([a, b].map(mayEject)).toEqual([true, true])
    eject(a)
    expect([a, b].map(mayEject)).toEqual([true, false])
  })

  test('if there is one only, one peer of it is kept', () => {
    const { peer, mayEject, eject } = create()
    const [a, b, c] = [peer(address(1)), peer(address(1)), peer(address(1))]
    eject(a)
    expect(mayEject(b)).toBe(true)
    eject(b)
    expect(mayEject(c)).toBe(false)
  })

  test('a peer is in all of those it is connected from', () => {
    const { peer, mayEject, eject } = create()
    const [a, b, c] = [peer(address(1)), peer(address(2)), peer(address(3))]
    const second = new FakeConnection(a.peer)
    a.connections.add(Object.assign(second, { remoteAddr: multiaddr(address(4)) }))
    eject(b)
    expect(mayEject(c)).toBe(true)
  })
})

describe('may be refused at any time', () => {
  test('who is not connected, or does not speak Bitswap', () => {
    const { peer, stranger, supply, mayEject, eject } = create()
    const [a, b, c] = [peer(), peer(), peer()]
    eject(a, b)
    expect(mayEject(c)).toBe(false)
    expect(mayEject(stranger())).toBe(true)
    c.connections.clear()
    expect(mayEject(c)).toBe(true)
    expect(supply.mayEject('nobody')).toBe(true)
  })

  test('but not who is protected, connected or not', () => {
    const links = new PeerLinks()
    const { peer, mayEject } = create([links.claim(peerOf(1)), links.claim(peerOf(9))])
    const [kept, other] = [peer(), peer()]
    expect([kept, other].map(mayEject)).toEqual([false, true])
    expect(mayEject(links.claim(peerOf(9)))).toBe(false)
  })
})
