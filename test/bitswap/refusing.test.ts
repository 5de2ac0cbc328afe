import { Readable } from 'node:stream'
import type { PeerId } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { describe, expect, test } from 'vitest'
import type { BitswapProtectionInit } from '../../src/bitswap/index.ts'
import { BitswapProtectionManager } from '../../src/bitswap/index.ts'
import { BITSWAP } from '../../src/bitswap/protocols.ts'
import { CircuitOpenError, InvalidOptionError, IsolatedError } from '../../src/core/index.ts'
import { createManager } from './support/manager.ts'
import { blockOf, blocks, cidOf } from './support/messages.ts'
import { FakeNode } from './support/node.ts'
import { peerOf } from './support/peers.ts'
import { settle } from './support/streams.ts'

// Whom the service refuses, and whom it does not, by what this node can do without.

/** A started service with peers that are connected and speak Bitswap. */
async function createStarted(peers: number, init: BitswapProtectionInit = {}) {
  const created = createManager({ maxEjectedShare: 0.5, ...init })
  const { manager, node, handle, connectKnown, status, ask } = created
  manager.start()
  await handle()
  const ids = Array.from({ length: peers }, (_, number) => peerOf(number + 1))
  const connections = new Map<PeerId, Awaited<ReturnType<typeof connectKnown>>>()
  for (const id of ids) {
    const connection = await connectKnown(id)
    connections.set(id, connection)
    for (const { onConnect } of node.registrar.getTopologies(BITSWAP)) onConnect?.(id, connection)
  }
  const call = (id: PeerId): Promise<unknown> => manager.executeRequest(id, () => {}).catch(error => error)
  return {
    ...created,
    ids,
    connections,
    call,
    /** Stock Bitswap asks a peer for blocks, and it sends them. */
    deliver: async (id: PeerId, count: number, first = 0): Promise<void> => {
      const all = await Promise.all(Array.from({ length: count }, (_, number) => blockOf(first + number)))
      await ask(connections.get(id)!, ...all.map(({ cid }) => cid))
      const { theirs } = await node.receive(connections.get(id)!)
      theirs.send(blocks(...all))
      await theirs.close()
      await settle()
    },
    isDemoted: (id: PeerId) => status(id)?.isDemoted
  }
}

describe('who delivers most of the blocks', () => {
  test('is kept as last resort when its circuit opens, and others are refused', async () => {
    const { ids, open, deliver, isDemoted, call } = await createStarted(4)
    const [supplier, other] = ids as [PeerId, PeerId]
    await deliver(supplier, 30)
    await open(supplier)
    await open(other)
    expect([supplier, other].map(isDemoted)).toEqual([true, false])
    expect(await call(supplier)).toBeUndefined()
    expect(await call(other)).toBeInstanceOf(CircuitOpenError)
  })
})

describe('subnets', () => {
  test('two are left, if two are known', async () => {
    const { ids, open, isDemoted } = await createStarted(4)
    for (const id of ids) await open(id)
    expect(ids.map(isDemoted)).toEqual([false, false, true, true])
  })

  test('when one is left with its last peer, somebody who was refused is kept instead', async () => {
    const { ids, open, isDemoted, connections, status } = await createStarted(5)
    const [a, b, c] = ids as [PeerId, PeerId, PeerId]
    await open(a)
    await open(b)
    expect([a, b].map(isDemoted)).toEqual([false, false])
    connections.get(c)!.lose()
    expect([a, b].map(isDemoted)).toEqual([false, false])
    connections.get(ids[3]!)!.lose()
    expect([a, b].map(isDemoted)).toEqual([true, false])
    expect(status(a)?.circuitState).toBe('OPEN')
  })
})

describe('a peer that is protected', () => {
  test('is never refused for what it did', async () => {
    const { ids, open, isDemoted, call } = await createStarted(3, {
      protectedPeers: [peerOf(1).toCID().toString()]
    })
    for (const id of ids) await open(id)
    expect(ids.map(isDemoted)).toEqual([true, false, true])
    expect(await call(ids[0]!)).toBeUndefined()
  })

  test('can be isolated by hand', async () => {
    const { manager, ids, call } = await createStarted(1, { protectedPeers: [peerOf(1).toString()] })
    manager.isolate(ids[0]!)
    expect(await call(ids[0]!)).toBeInstanceOf(IsolatedError)
  })
})

describe('lists of peers', () => {
  test.each(['protectedPeers', 'allowedPeers'])('that are wrong are named: %s', name => {
    const id = peerOf(1).toString()
    for (const value of [id, [7], ['no id'], [id, ''], [peerOf(1)], Array(1_001).fill(id), null]) {
      const create = () => new BitswapProtectionManager(new FakeNode(), { [name]: value })
      expect(create).toThrow(InvalidOptionError)
      expect(create).toThrow(`bitswapProtection.${name}`)
    }
    for (const value of [[], [id], [peerOf(1).toCID().toString()], Array(1_000).fill(id)])
      expect(() => new BitswapProtectionManager(new FakeNode(), { [name]: value })).not.toThrow()
  })
})

describe('a peer that sends what was not asked for', () => {
  /** The service fetches blocks itself, and each of three peers sends something else for one. */
  async function spoil(init: BitswapProtectionInit = {}) {
    const created = await createStarted(4, init)
    const { manager, node, ids, connections, advance } = created
    for (const connection of connections.values())
      connection.onOpening = opening => {
        void opening.open()
      }
    const spoilers = ids.slice(0, 3)
    for (const [number, spoiler] of spoilers.entries()) {
      const others = ids.filter(id => id !== spoiler)
      for (const id of others) manager.isolate(id)
      const { cid, prefix } = await blockOf(100 + number)
      manager.getBlock(cid, { signal: AbortSignal.timeout(60_000) }).catch(() => {})
      await advance(200)
      const { theirs } = await node.receive(connections.get(spoiler)!)
      theirs.send(blocks({ prefix, data: Uint8Array.of(number) }))
      await theirs.close()
      await settle()
      for (const id of others) manager.release(id)
    }
    return { ...created, spoilers }
  }

  test('is refused, however many they are', async () => {
    const { spoilers, isDemoted, manager } = await spoil()
    const named = spoilers.filter(id =>
      manager.explain(id)?.faults.some(({ fault }) => fault === 'CORRUPT_BLOCK')
    )
    expect(named).toEqual(spoilers)
    expect(spoilers.map(isDemoted)).toEqual([false, false, false])
    expect(manager.getOverallStatus()).toMatchObject({ ejectedPeers: 3, demotedPeers: 0 })
  })

  test('is kept nevertheless if it is protected', async () => {
    const { spoilers, isDemoted } = await spoil({ protectedPeers: [peerOf(2).toString()] })
    expect(spoilers.map(isDemoted)).toEqual([false, true, false])
  })
})

describe('when a peer is one too many to refuse', () => {
  test('more providers are looked for of what is being fetched', async () => {
    const { manager, ids, open } = await createStarted(2)
    const searched: string[] = []
    const routing = {
      findProviders: (cid: CID) => {
        searched.push(cid.toString())
        return Readable.from([])
      }
    }
    const { cid } = await blockOf(100)
    manager.getBlock(cid, { routing, signal: AbortSignal.timeout(60_000) }).catch(() => {})
    await settle()
    await open(ids[0]!)
    await settle()
    expect(searched).toEqual([])
    await open(ids[1]!)
    await settle()
    expect(searched).toEqual([cid.toString()])
  })
})

describe('what observing shows', () => {
  test('is what enforcing would have changed, blocks and all', async () => {
    const { manager, ids, open, deliver, advance, ask, connections } = await createStarted(2, {
      mode: 'observe'
    })
    await deliver(ids[0]!, 3)
    expect(manager.getOverallStatus().counterfactual).toEqual({
      rejectedCalls: 0,
      failuresSpared: 0,
      timeSavedMs: 0,
      successesLost: 0,
      blocksLost: 0
    })
    await open(ids[0]!)
    await deliver(ids[0]!, 2, 10)
    expect(manager.getOverallStatus().counterfactual).toMatchObject({
      rejectedCalls: 1,
      failuresSpared: 0,
      successesLost: 2,
      blocksLost: 2
    })
    await ask(connections.get(ids[0]!)!, cidOf(50))
    await advance(1_000)
    await deliver(ids[1]!, 1, 20)
    await advance(2_000)
    expect(manager.getOverallStatus().counterfactual).toMatchObject({
      rejectedCalls: 2,
      failuresSpared: 1,
      timeSavedMs: 2_000,
      blocksLost: 2
    })
  })
})
