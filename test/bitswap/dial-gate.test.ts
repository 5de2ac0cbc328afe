import type { ConnectionGater, PeerId } from '@libp2p/interface'
import { describe, expect, test } from 'vitest'
import { DialGate } from '../../src/bitswap/dial-gate.ts'
import type { ProtectionOptions } from '../../src/core/index.ts'
import { createProtection, TIMEOUT_MS } from '../support/deterministic-protection.ts'
import { peerOf } from './support/peers.ts'

const peer = peerOf(1)
const key = peer.toString()

function create(
  gater: ConnectionGater = { denyDialPeer: () => false },
  options: Partial<ProtectionOptions> = {}
) {
  const created = createProtection({ maxEjectedShare: 1, ...options })
  const gate = new DialGate(gater, created.protection)
  gate.start()
  return {
    ...created,
    gate,
    gater,
    /** As libp2p asks. */
    isDenied: async (peerId: PeerId = peer) => (await gater.denyDialPeer?.(peerId)) === true
  }
}

test('denies a peer while its circuit is open, not before and not after', async () => {
  const { protection, advance, isDenied } = create()
  expect(await isDenied()).toBe(false)
  protection.trip(key)
  expect(await isDenied()).toBe(true)
  expect(await isDenied(peerOf(2))).toBe(false)
  advance(TIMEOUT_MS + 1)
  expect(await isDenied()).toBe(false)
})

test('denies a peer that is isolated', async () => {
  const { protection, isDenied } = create()
  protection.isolate(key)
  expect(await isDenied()).toBe(true)
})

test('lets a suspect be dialled: that is how to find out', async () => {
  const { protection, isDenied } = create()
  protection.suspect(key)
  expect(await isDenied()).toBe(false)
})

test('lets a last resort be dialled, since it may be called', async () => {
  const { protection, isDenied } = create(undefined, { maxEjectedShare: 0.01 })
  protection.trip(peerOf(2).toString())
  protection.trip(key)
  expect(protection.getPeerStatus(key)).toMatchObject({ circuitState: 'OPEN', isDemoted: true })
  expect(protection.canAdmit(key)).toBe(true)
  expect(await isDenied()).toBe(false)
})

test.each(['observe', 'off'] as const)('denies nobody in mode %s', async mode => {
  const { protection, isDenied } = create()
  protection.trip(key)
  protection.mode = mode
  expect(await isDenied()).toBe(false)
})

test('makes no record of whom it is asked about', async () => {
  const { protection, isDenied } = create()
  await isDenied()
  expect(protection.getPeerStatus(key)).toBe(undefined)
})

describe("the user's own gater", () => {
  test('is asked first, and what it denies is denied', async () => {
    const asked: unknown[] = []
    const { isDenied } = create({
      denyDialPeer: peerId => {
        asked.push(peerId)
        return true
      }
    })
    expect(await isDenied()).toBe(true)
    expect(asked).toEqual([peer])
  })

  test('may take its time', async () => {
    const { protection, isDenied } = create({ denyDialPeer: () => Promise.resolve(false) })
    expect(await isDenied()).toBe(false)
    protection.trip(key)
    expect(await isDenied()).toBe(true)
  })

  test('may throw an error of its own', async () => {
    const denial = new Error('not this one')
    const { isDenied } = create({ denyDialPeer: () => Promise.reject(denial) })
    await expect(isDenied()).rejects.toBe(denial)
  })

  test('keeps `this`', async () => {
    class Gater implements ConnectionGater {
      readonly denied = new Set([key])

      denyDialPeer(peerId: PeerId): boolean {
        return this.denied.has(peerId.toString())
      }
    }
    expect(await create(new Gater()).isDenied()).toBe(true)
  })

  test('need not care about peers, as that of a node by default', async () => {
    const { protection, isDenied } = create({})
    expect(await isDenied()).toBe(false)
    protection.trip(key)
    expect(await isDenied()).toBe(true)
  })
})

describe('stopped', () => {
  test('leaves the gater as it was', async () => {
    const denyDialPeer = (): boolean => false
    const { gate, gater, protection, isDenied } = create({ denyDialPeer })
    protection.trip(key)
    gate.stop()
    expect(gater.denyDialPeer).toBe(denyDialPeer)
    expect(await isDenied()).toBe(false)
  })

  test('leaves an empty gater empty', () => {
    const { gate, gater } = create({})
    gate.stop()
    expect(Object.keys(gater)).toEqual([])
  })

  test('of two nodes that share a gater, the other goes on', async () => {
    const gater: ConnectionGater = { denyDialPeer: () => false }
    const [first, second] = [create(gater), create(gater)]
    for (const { protection } of [first, second]) protection.trip(key)
    first.gate.stop()
    expect(await second.isDenied()).toBe(true)
    second.gate.stop()
    expect(await second.isDenied()).toBe(false)
  })
})
