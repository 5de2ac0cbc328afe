import { libp2pDefaults } from '@helia/libp2p'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createHelia } from 'helia'
import { expect, expectTypeOf, test, vi } from 'vitest'
import { BitswapProtectionManager, bitswapProtection } from '../../src/bitswap/index.ts'
import { makeBlocks } from '../../src/cli/swarm/blocks.ts'
import { LocalPeer } from './support/local-peer.ts'

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

/** What takes away all by which Helia would talk to anybody but those it is told to dial. */
const loopbackOnly = { addresses: { listen: [] }, transports: [tcp()], peerDiscovery: [] }

const noHttp = { delegatedRouters: [], recursiveGateways: [] }

test('createHelia takes the protection among the services of libp2pDefaults', async () => {
  await using peer = await LocalPeer.start()
  const [block] = await makeBlocks({ seed: 1, count: 1, sizeBytes: 1_000 })
  await peer.helia.blockstore.put(block!.cid, block!.bytes)
  const libp2p = libp2pDefaults()
  Object.assign(libp2p.services, { protection: bitswapProtection() })
  Object.assign(libp2p, loopbackOnly)
  // The others would look for ways to the public network.
  const { services } = libp2p as { services: Record<string, unknown> }
  for (const name of Object.keys(services)) {
    if (!['identify', 'keychain', 'ping', 'protection'].includes(name)) delete services[name]
  }
  const helia = createHelia({ libp2p, http: noHttp })
  await helia.start()
  try {
    const { protection } = helia.libp2p.services
    // Helia's type of its services knows of no others.
    expectTypeOf(protection).toBeUnknown()
    expect(protection).toBeInstanceOf(BitswapProtectionManager)
    await helia.libp2p.dial(multiaddr(peer.multiaddr))
    const parts: Uint8Array[] = []
    const options = { signal: AbortSignal.timeout(10_000) }
    for await (const part of helia.blockstore.get(block!.cid, options)) parts.push(part)
    expect(Buffer.compare(Buffer.concat(parts), block!.bytes)).toBe(0)
    const status = (protection as BitswapProtectionManager).getPeerStatus(peer.libp2p.peerId)
    expect(status?.counts.totalSuccesses).toBe(1)
  } finally {
    await helia.stop()
  }
})

test('spread into the defaults, its type is known', async () => {
  const defaults = libp2pDefaults()
  const services = { identify: identify(), ping: ping(), protection: bitswapProtection() }
  const helia = createHelia({ libp2p: { ...defaults, ...loopbackOnly, services }, http: noHttp })
  await helia.start()
  try {
    expectTypeOf(helia.libp2p.services.protection).toEqualTypeOf<BitswapProtectionManager>()
    expect(helia.libp2p.services.protection.getOverallStatus().mode).toBe('enforce')
  } finally {
    await helia.stop()
  }
})

// What the documentation warns of. When one of these fails, upstream has mended it, and the warning can go.

test("Helia's 'merge' drops added services", () => {
  const merged = libp2pDefaults({ config: 'merge', services: { protection: bitswapProtection() } })
  expect(Object.keys(merged.services)).toEqual(Object.keys(libp2pDefaults().services))
})

test("Helia's 'replace' drops its own services", () => {
  const replaced = libp2pDefaults({ services: { protection: bitswapProtection() } })
  expect(Object.keys(replaced.services)).toEqual(['protection'])
})
