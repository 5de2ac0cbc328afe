import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { subnetOf } from '../../src/bitswap/subnet.ts'

function subnet(address: string): string | undefined {
  return subnetOf(multiaddr(address))
}

const PEER = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'

test.each([
  ['/ip4/8.8.4.4/tcp/4001', '8.8.4.0/24'],
  ['/ip4/8.8.4.255/udp/4001/quic-v1', '8.8.4.0/24'],
  [`/ip4/8.8.5.4/tcp/4001/ws/p2p/${PEER}`, '8.8.5.0/24'],
  ['/ip6/2a00:1450:4001:82ab::200e/tcp/4001', '2a00:1450:4001:8200::/56'],
  ['/ip6/2a00:1450:4001:82ff:1:2:3:4/tcp/4001', '2a00:1450:4001:8200::/56'],
  ['/ip6/2a00:1450:4001:83ff:1:2:3:4/tcp/4001', '2a00:1450:4001:8300::/56'],
  ['/ip6/2a00::1/tcp/4001', '2a00:0:0:0::/56'],
  ['/ip6/::ffff:8.8.4.4/tcp/4001', '8.8.4.0/24'],
  ['/ip6/::ffff:808:404/tcp/4001', '8.8.4.0/24']
])('%s is in %s', (address, expected) => {
  expect(subnet(address)).toBe(expected)
})

test.each([
  '/ip4/127.0.0.1/tcp/4001',
  '/ip4/10.1.2.3/tcp/4001',
  '/ip4/192.168.1.2/tcp/4001',
  '/ip4/100.64.1.2/tcp/4001',
  '/ip6/::1/tcp/4001',
  '/ip6/fe80::1/tcp/4001',
  '/ip6/fd00::1/tcp/4001',
  '/ip6/::ffff:10.0.0.1/tcp/4001',
  '/dns4/example.org/tcp/443/wss',
  '/unix/%2Ftmp%2Fsocket',
  '/webrtc',
  `/ip4/8.8.4.4/tcp/4001/p2p/${PEER}/p2p-circuit`
])('%s has none', address => {
  expect(subnet(address)).toBe(undefined)
})
