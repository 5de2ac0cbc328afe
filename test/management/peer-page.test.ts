import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { PeerGlance } from '../../src/core/index.ts'
import { type PagedPeers, type PeerQuery, pageOf, peerSorts } from '../../src/management/peer-page.ts'
import { seededRandom } from '../support/random.ts'

const QUERY: PeerQuery = { page: 1, size: 10, sort: 'peer', reverse: false }

/** Who is shown, as far as pages are concerned. */
type Peer = PeerGlance & { readonly isConnected: boolean }

const many = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 120 }).chain(ids =>
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
) as unknown as fc.Arbitrary<Peer[]>

const queries = fc.record({
  sort: fc.constantFrom(...peerSorts),
  reverse: fc.boolean(),
  connected: fc.option(fc.boolean(), { nil: undefined }),
  state: fc.option(fc.constantFrom('CLOSED' as const, 'OPEN' as const), { nil: undefined })
})

function paged(peers: readonly Peer[]): PagedPeers {
  const connected = new Set(peers.filter(({ isConnected }) => isConnected).map(({ key }) => key))
  return { glances: () => peers, isConnected: key => connected.has(key) }
}

describe('a page of peers', () => {
  test('is the same part of all that is asked for, whatever its size', () => {
    fc.assert(
      fc.property(many, queries, fc.integer({ min: 1, max: 40 }), (peers, query, size) => {
        const all = pageOf(paged(peers), { ...query, page: 1, size: 1_000 })
        expect(all.total).toBe(all.peers.length)
        const pages = Array.from({ length: Math.ceil(all.total / size) + 1 }, (_, index) =>
          pageOf(paged(peers), { ...query, page: index + 1, size })
        )
        expect(pages.flatMap(page => page.peers)).toEqual(all.peers)
        for (const page of pages) expect(page.total).toBe(all.total)
      })
    )
  })

  test('does not depend on the order peers come in, and can be turned round', () => {
    fc.assert(
      fc.property(many, queries, (peers, query) => {
        const page = { ...query, page: 1, size: 1_000 }
        const shown = pageOf(paged(peers), page).peers
        expect(pageOf(paged(peers.toReversed()), page).peers).toEqual(shown)
        const turned = pageOf(paged(peers), { ...page, reverse: !query.reverse }).peers
        expect(turned).toEqual(shown.toReversed())
      })
    )
  })

  test('holds whom it is to hold, in order', () => {
    fc.assert(
      fc.property(many, peers => {
        const { peers: shown } = pageOf(paged(peers), { ...QUERY, size: 1_000, connected: true })
        const connected = peers.filter(peer => peer.isConnected).map(({ key }) => key)
        expect(shown).toEqual(connected.sort())
        const bySuccess = pageOf(paged(peers), { ...QUERY, size: 1_000, sort: 'success_rate' }).peers
        const rates = new Map(peers.map(({ key, successRate }) => [key, successRate]))
        expect(bySuccess.map(key => rates.get(key))).toEqual(
          [...rates.values()].sort((one, other) => one - other)
        )
      })
    )
  })

  test('is found without reading more of each than it is sorted by', () => {
    const count = 1_000
    const read: Record<PropertyKey, number> = {}
    const random = seededRandom(1)
    const glances = Array.from({ length: count }, () => {
      const glance = { key: String(random()), successRate: 1, isConnected: false }
      return new Proxy(glance as Peer, {
        get(target, name) {
          read[name] = (read[name] ?? 0) + 1
          return Reflect.get(target, name)
        }
      })
    })
    const peers = { glances: () => glances, isConnected: () => true }
    expect(pageOf(peers, { ...QUERY, sort: 'success_rate' }).total).toBe(count)
    expect(read).toEqual({ key: count, successRate: count })
  })

  test('is found without sorting all there are', () => {
    const count = 10_000
    let compared = 0
    const random = seededRandom(1)
    const glances = Array.from({ length: count }, () => {
      const rate = random()
      const counted = {
        valueOf: () => {
          compared++
          return rate
        }
      }
      return { key: 'a', successRate: counted } as unknown as Peer
    })
    expect(pageOf(paged(glances), { ...QUERY, sort: 'success_rate' }).total).toBe(count)
    // Nearly each is compared with the last one there is room for, and no other: that reads two rates. Sorting them all would
    // compare each about 13 times.
    expect(compared).toBeLessThan(3 * count)
  })
})
