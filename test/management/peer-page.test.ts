import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { PeerSnapshot } from '../../src/management/managed.ts'
import { type PeerQuery, pageOf, peerSorts } from '../../src/management/peer-page.ts'
import { seededRandom } from '../support/random.ts'

const QUERY: PeerQuery = { page: 1, size: 10, sort: 'peer', reverse: false }

const snapshots = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 120 }).chain(ids =>
  fc.tuple(
    ...ids.map(key =>
      fc.record({
        key: fc.constant(key),
        circuitState: fc.constantFrom('CLOSED' as const, 'OPEN' as const, 'HALF_OPEN' as const),
        healthStatus: fc.constantFrom('HEALTHY' as const, 'UNKNOWN' as const, 'UNHEALTHY' as const),
        isConnected: fc.boolean(),
        isSuspect: fc.boolean(),
        isRecovering: fc.boolean(),
        successRate: fc.constantFrom(0, 0.5, 1),
        responseTimeMs: fc.nat(3),
        since: fc.nat(3),
        counts: fc.record({ requests: fc.nat(3), totalFailures: fc.nat(3) })
      })
    )
  )
) as unknown as fc.Arbitrary<PeerSnapshot[]>

const queries = fc.record({
  sort: fc.constantFrom(...peerSorts),
  reverse: fc.boolean(),
  connected: fc.option(fc.boolean(), { nil: undefined }),
  state: fc.option(fc.constantFrom('CLOSED' as const, 'OPEN' as const), { nil: undefined })
})

function keysOf(peers: readonly PeerSnapshot[]): string[] {
  return peers.map(({ key }) => key)
}

describe('a page of peers', () => {
  test('is the same part of all that is asked for, whatever its size', () => {
    fc.assert(
      fc.property(snapshots, queries, fc.integer({ min: 1, max: 40 }), (peers, query, size) => {
        const all = pageOf(peers, { ...query, page: 1, size: 1_000 })
        expect(all.total).toBe(all.peers.length)
        const pages = Array.from({ length: Math.ceil(all.total / size) + 1 }, (_, index) =>
          pageOf(peers, { ...query, page: index + 1, size })
        )
        expect(pages.flatMap(page => keysOf(page.peers))).toEqual(keysOf(all.peers))
        for (const page of pages) expect(page.total).toBe(all.total)
      })
    )
  })

  test('does not depend on the order peers come in, and can be turned round', () => {
    fc.assert(
      fc.property(snapshots, queries, (peers, query) => {
        const page = { ...query, page: 1, size: 1_000 }
        const shown = keysOf(pageOf(peers, page).peers)
        expect(keysOf(pageOf(peers.toReversed(), page).peers)).toEqual(shown)
        expect(keysOf(pageOf(peers, { ...page, reverse: !query.reverse }).peers)).toEqual(shown.toReversed())
      })
    )
  })

  test('holds whom it is to hold, in order', () => {
    fc.assert(
      fc.property(snapshots, peers => {
        const { peers: shown } = pageOf(peers, { ...QUERY, size: 1_000, connected: true })
        expect(keysOf(shown)).toEqual(keysOf(peers.filter(peer => peer.isConnected)).sort())
        const bySuccess = pageOf(peers, { ...QUERY, size: 1_000, sort: 'success_rate' }).peers
        expect(bySuccess.map(({ successRate }) => successRate)).toEqual(
          peers.map(({ successRate }) => successRate).sort((one, other) => one - other)
        )
      })
    )
  })

  test('is found without sorting all there are', () => {
    const many = 10_000
    let read = 0
    const random = seededRandom(1)
    const peers = Array.from({ length: many }, () => {
      const id = random()
      return {
        successRate: 1,
        get key() {
          read++
          return String(id)
        }
      } as PeerSnapshot
    })
    expect(pageOf(peers, { ...QUERY, sort: 'success_rate' }).total).toBe(many)
    // Nearly each is compared once, by its id as all else is equal: sorting them all would read each about 25 times.
    expect(read).toBeLessThan(3 * many)
  })
})
