import type { ConnectionGater, MultiaddrConnection, PeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { InboundGate } from '../../src/bitswap/inbound-gate.ts'
import { ManualClock } from '../../src/core/index.ts'
import { peerOf } from './support/peers.ts'

const KNOCKS = 3
const KNOCK_MS = 20_000

const bad = peerOf(1)
const good = peerOf(2)

function create(gater: ConnectionGater = {}) {
  const clock = new ManualClock()
  const gate = new InboundGate(gater, clock, key => key === bad.toString(), 100)
  gate.start()
  return {
    clock,
    gate,
    gater,
    /** A peer connects, as libp2p asks about it. Returns how far it comes. */
    async knock(peer: PeerId, host = '/ip4/192.0.2.1'): Promise<'not at all' | 'to its name' | 'in'> {
      const connection = { remoteAddr: multiaddr(`${host}/tcp/4001`) } as MultiaddrConnection
      if ((await gater.denyInboundConnection?.(connection)) === true) return 'not at all'
      return (await gater.denyInboundEncryptedConnection?.(peer, connection)) === true ? 'to its name' : 'in'
    }
  }
}

test('who is shut out does not come in, and others do', async () => {
  const { knock } = create()
  expect(await knock(bad)).toBe('to its name')
  expect(await knock(good)).toBe('in')
})

test('who knocks again and again is not even asked who he is, but for once in a while', async () => {
  const { knock, clock } = create()
  for (let time = 0; time < KNOCKS; time++) expect(await knock(bad)).toBe('to its name')
  expect(await knock(bad)).toBe('not at all')
  expect(await knock(bad, '/ip4/192.0.2.2')).toBe('to its name')
  clock.advance(KNOCK_MS - 1)
  expect(await knock(bad)).toBe('not at all')
  clock.advance(1)
  expect(await knock(bad)).toBe('to its name')
  expect(await knock(bad)).toBe('not at all')
})

test('who shares his address waits, and comes in', async () => {
  const { knock, clock } = create()
  for (let time = 0; time < KNOCKS; time++) await knock(bad)
  expect(await knock(good)).toBe('not at all')
  clock.advance(KNOCK_MS)
  expect(await knock(good)).toBe('in')
  // That costs nothing.
  expect(await knock(good)).toBe('in')
})

test('nobody is kept out for the relay he comes by', async () => {
  const { knock } = create()
  const relayed = `/ip4/192.0.2.9/tcp/4001/p2p/${peerOf(9)}/p2p-circuit/ip4/192.0.2.1`
  for (let time = 0; time < 2 * KNOCKS; time++) expect(await knock(bad, relayed)).toBe('to its name')
  expect(await knock(good, relayed)).toBe('in')
  expect(await knock(good, '/ip4/192.0.2.9')).toBe('in')
})

test("the user's own gater is asked first, and is there again in the end", async () => {
  const asked: string[] = []
  const denyInboundConnection = (): boolean => asked.push('connection') > 2
  const denyInboundEncryptedConnection = (): boolean => asked.push('peer') > 2
  const { gate, gater, knock } = create({ denyInboundConnection, denyInboundEncryptedConnection })
  expect(await knock(good)).toBe('in')
  expect(asked).toEqual(['connection', 'peer'])
  expect(await knock(good)).toBe('not at all')
  gate.stop()
  expect(gater).toEqual({ denyInboundConnection, denyInboundEncryptedConnection })
})

test('a user who denies a peer is heeded', async () => {
  const { knock } = create({ denyInboundEncryptedConnection: async () => true })
  expect(await knock(good)).toBe('to its name')
})
