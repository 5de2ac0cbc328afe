import type { PeerId } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import { describe, expect, test, vi } from 'vitest'
import type { FetchProgress, ProgressListener } from '../../../src/bitswap/fetch/fetch-progress.ts'
import { type ProviderRouting, ProviderSearch } from '../../../src/bitswap/fetch/provider-search.ts'
import { Deadlines } from '../../../src/core/deadlines.ts'
import { ManualClock } from '../../../src/core/index.ts'
import { settlePromises } from '../../support/drive.ts'
import { cidOf } from '../support/messages.ts'
import { FakeNode } from '../support/node.ts'
import { peerOf } from '../support/peers.ts'

const MAX_FOUND = 10
const MAX_DIALS = 8
const STAGGER_MS = 50
const TICK_MS = 25
const MAX_REMEMBERED = 256

interface DialUnderWay {
  readonly target: PeerId | Multiaddr[]
  readonly signal: AbortSignal
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** A search whose dials wait for the test. */
function createSearch() {
  const node = new FakeNode()
  const clock = new ManualClock()
  const dials: DialUnderWay[] = []
  const search = new ProviderSearch(node.connectionManager, clock, new Deadlines(clock), (target, signal) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    dials.push({ target, signal, resolve, reject })
    return promise
  })
  const controller = new AbortController()
  return {
    node,
    clock,
    search,
    dials,
    controller,
    signal: controller.signal,
    /** Lets time pass, in steps between which promises settle. */
    async wait(ms: number): Promise<void> {
      for (let passed = 0; passed < ms; passed += TICK_MS) {
        clock.advance(TICK_MS)
        await settlePromises()
      }
    },
    /** Whom it has dialled so far. */
    targets: (): string[] => dials.map(({ target }) => [target].flat().map(String).join(' '))
  }
}

type Found = { id: PeerId | CID; multiaddrs: Multiaddr[] }

/** Routing that finds these, and counts how far it was read. */
function routingOf(
  ...found: readonly Found[]
): ProviderRouting & { read: number; asked: CID[]; isLeft: boolean } {
  const routing = {
    read: 0,
    asked: [] as CID[],
    isLeft: false,
    async *findProviders(cid: CID) {
      routing.asked.push(cid)
      try {
        for (const one of found) {
          routing.read++
          yield one
        }
      } finally {
        routing.isLeft = true
      }
    }
  }
  return routing
}

function isDone(promise: Promise<unknown>): () => boolean {
  let done = false
  promise.then(
    () => {
      done = true
    },
    () => {
      done = true
    }
  )
  return () => done
}

const address = (number: number): Multiaddr => multiaddr(`/ip4/10.0.0.${number}/tcp/4001`)

describe('providers that are given', () => {
  test('are dialled, in whatever form they are given', async () => {
    const { search, signal, targets, wait } = createSearch()
    const addresses = [address(3), address(4)]
    void search.connect([peerOf(1), peerOf(2).toCID(), address(2), addresses], signal)
    await wait(3 * STAGGER_MS)
    expect(targets()).toEqual([`${peerOf(1)}`, `${peerOf(2)}`, '/ip4/10.0.0.2/tcp/4001', addresses.join(' ')])
  })

  test('are dialled one after the other, the next when one has ended or takes long', async () => {
    const { search, signal, dials, wait } = createSearch()
    void search.connect([1, 2, 3, 4].map(peerOf), signal)
    expect(dials).toHaveLength(1)
    await wait(STAGGER_MS - TICK_MS)
    expect(dials).toHaveLength(1)
    await wait(TICK_MS)
    expect(dials).toHaveLength(2)
    dials[1]!.reject(new Error('not there'))
    await settlePromises()
    expect(dials).toHaveLength(3)
    dials[2]!.resolve()
    await settlePromises()
    expect(dials).toHaveLength(4)
  })

  test('are waited for, whatever becomes of them', async () => {
    const { search, signal, dials } = createSearch()
    const connected = isDone(search.connect([peerOf(1), peerOf(2)], signal))
    dials[0]!.reject(new Error('not there'))
    await settlePromises()
    expect(connected()).toBe(false)
    dials[1]!.resolve()
    await settlePromises()
    expect(connected()).toBe(true)
  })

  test('are dialled until so many are connected as are wanted', async () => {
    const { search, signal, targets, dials, node, wait } = createSearch()
    const given = Array.from({ length: 9 }, (_, number) => peerOf(number))
    node.connect(peerOf(2))
    const first = isDone(search.connect(given, signal, 3))
    await wait(STAGGER_MS)
    expect(targets()).toEqual([peerOf(0), peerOf(1)].map(String))
    // They are being dialled, as far as is known with success.
    const second = isDone(search.connect(given, signal, 3))
    await settlePromises()
    expect(targets()).toHaveLength(2)
    dials[0]!.reject(new Error('not there'))
    await settlePromises()
    expect([first(), second()]).toEqual([false, false])
    dials[1]!.resolve()
    node.connect(peerOf(1))
    await settlePromises()
    expect([first(), second()]).toEqual([true, true])
    void search.connect(given, signal, 3)
    await settlePromises()
    expect(targets().slice(2)).toEqual([`${peerOf(3)}`])
    void search.connect(given, signal, 5)
    await wait(STAGGER_MS)
    expect(targets().slice(3)).toEqual([peerOf(4), peerOf(5)].map(String))
  })

  test(`are dialled ${MAX_DIALS} at once at most`, async () => {
    const { search, signal, dials, wait } = createSearch()
    void search.connect(
      Array.from({ length: 20 }, (_, number) => peerOf(number)),
      signal
    )
    await wait(20 * STAGGER_MS)
    expect(dials).toHaveLength(MAX_DIALS)
    dials[0]!.resolve()
    dials[1]!.reject(new Error('not there'))
    await wait(20 * STAGGER_MS)
    expect(dials).toHaveLength(MAX_DIALS + 2)
  })

  test('are not dialled when they are connected', async () => {
    const { node, search, signal, targets } = createSearch()
    node.connect(peerOf(1))
    node.connect(peerOf(2))
    const known = address(2).encapsulate(`/p2p/${peerOf(2)}`)
    await search.connect([peerOf(1), peerOf(1).toCID(), known], signal)
    expect(targets()).toEqual([])
  })

  test('are read once, for however many blocks', async () => {
    const { node, search, signal } = createSearch()
    for (const number of [1, 2, 3]) node.connect(peerOf(number))
    const [known, other] = [2, 3].map(number => address(number).encapsulate(`/p2p/${peerOf(number)}`))
    const looked = vi.spyOn(node.connectionManager, 'getConnections')
    const given = [peerOf(1).toCID(), known!, [other!, address(4)]]
    for (let block = 0; block < 100; block++) await search.connect(given, signal)
    expect(looked.mock.calls.length).toBeGreaterThanOrEqual(300)
    expect(new Set(looked.mock.calls.map(([peer]) => peer)).size).toBe(3)
  })

  test('are dialled as soon as they are not connected any more', async () => {
    const { node, search, signal, targets } = createSearch()
    const connection = node.connect(peerOf(1))
    await search.connect([peerOf(1)], signal)
    connection.lose()
    void search.connect([peerOf(1)], signal)
    expect(targets()).toEqual([`${peerOf(1)}`])
  })

  test('are dialled though the relay they are reached by is connected', async () => {
    const { node, search, signal, targets } = createSearch()
    node.connect(peerOf(9))
    const relayed = multiaddr(`/ip4/10.0.0.9/tcp/4001/p2p/${peerOf(9)}/p2p-circuit/p2p/${peerOf(1)}`)
    void search.connect([relayed], signal)
    expect(targets()).toEqual([`${relayed}`])
  })

  test('are not dialled when they have been connected meanwhile', async () => {
    const { node, search, signal, dials, targets } = createSearch()
    const connected = isDone(search.connect([peerOf(1), peerOf(2)], signal))
    node.connect(peerOf(2))
    dials[0]!.resolve()
    await settlePromises()
    expect(targets()).toEqual([`${peerOf(1)}`])
    expect(connected()).toBe(true)
  })

  test('are dialled again when they could not be connected to: after 1, 2, 4, and at most 30 seconds', async () => {
    const { search, signal, dials, clock } = createSearch()
    const startedAt = clock.now()
    const dialledAt: number[] = []
    for (let step = 0; step <= 960; step++) {
      void search.connect([peerOf(1)], signal)
      const dial = dials[dialledAt.length]
      if (dial !== undefined) {
        dialledAt.push(clock.now() - startedAt)
        dial.reject(new Error('not there'))
      }
      await settlePromises()
      clock.advance(100)
    }
    expect(dialledAt).toEqual([0, 1_000, 3_000, 7_000, 15_000, 31_000, 61_000, 91_000])
  })

  test('are dialled again soon when they were connected, however often they could not be before', async () => {
    const { search, signal, dials, clock, node } = createSearch()
    for (const waitMs of [1_000, 2_000, 4_000]) {
      void search.connect([peerOf(1)], signal)
      dials.at(-1)!.reject(new Error('not there'))
      await settlePromises()
      clock.advance(waitMs)
    }
    void search.connect([peerOf(1)], signal)
    const connection = node.connect(peerOf(1))
    dials.at(-1)!.resolve()
    await settlePromises()
    connection.lose()
    clock.advance(999)
    void search.connect([peerOf(1)], signal)
    expect(dials).toHaveLength(4)
    clock.advance(1)
    void search.connect([peerOf(1)], signal)
    expect(dials).toHaveLength(5)
  })

  test(`are remembered, the last ${MAX_REMEMBERED} of them`, async () => {
    const { search, signal, dials, targets } = createSearch()
    const addresses = Array.from({ length: MAX_REMEMBERED }, (_, number) => address(number % 256))
    void search.connect(addresses, signal)
    for (let dial = 0; dial < MAX_REMEMBERED; dial++) {
      dials[dial]!.resolve()
      await settlePromises()
    }
    expect(dials).toHaveLength(MAX_REMEMBERED)
    // Still remembered; one more, and it is not.
    await search.connect([addresses[0]!], signal)
    expect(dials).toHaveLength(MAX_REMEMBERED)
    void search.connect([peerOf(1)], signal)
    void search.connect([addresses[1]!], signal)
    expect(dials).toHaveLength(MAX_REMEMBERED + 1)
    void search.connect([addresses[0]!], signal)
    await settlePromises()
    expect(targets().at(-1)).toBe(String(addresses[0]))
  })

  test('are not dialled any more once it is over', async () => {
    const { search, signal, dials, controller, wait } = createSearch()
    const connected = isDone(search.connect([1, 2, 3].map(peerOf), signal))
    await wait(STAGGER_MS)
    controller.abort()
    for (const { resolve } of dials) resolve()
    await settlePromises()
    expect(dials).toHaveLength(2)
    expect(connected()).toBe(true)
    expect(dials[0]!.signal).toBe(signal)
  })
})

describe('providers that are found', () => {
  test('are dialled, at their addresses if they are known: as whom the routing says they are', async () => {
    const { search, signal, targets } = createSearch()
    const own = address(4).encapsulate(`/p2p/${peerOf(4)}`)
    const routing = routingOf(
      { id: peerOf(1), multiaddrs: [] },
      { id: peerOf(2).toCID(), multiaddrs: [] },
      { id: peerOf(3), multiaddrs: [address(3), address(33)] },
      { id: peerOf(4).toCID(), multiaddrs: [own] },
      { id: peerOf(5).toCID(), multiaddrs: [address(5)] }
    )
    void search.find(cidOf(1), routing, signal)
    await settlePromises()
    expect(targets()).toEqual([
      `${peerOf(1)}`,
      `${peerOf(2)}`,
      `${address(3)}/p2p/${peerOf(3)} ${address(33)}/p2p/${peerOf(3)}`,
      `${own}`,
      `${address(5)}/p2p/${peerOf(5)}`
    ])
    expect(routing.asked).toEqual([cidOf(1)])
  })

  test('are waited for, whatever becomes of them', async () => {
    const { search, signal, dials } = createSearch()
    const routing = routingOf({ id: peerOf(1), multiaddrs: [] }, { id: peerOf(2), multiaddrs: [] })
    const found = isDone(search.find(cidOf(1), routing, signal))
    await settlePromises()
    dials[0]!.reject(new Error('not there'))
    await settlePromises()
    expect(found()).toBe(false)
    dials[1]!.resolve()
    await settlePromises()
    expect(found()).toBe(true)
  })

  test(`are ${MAX_FOUND} at most; then the routing is left`, async () => {
    const { search, signal, dials } = createSearch()
    const routing = routingOf(
      ...Array.from({ length: 50 }, (_, number) => ({ id: peerOf(number), multiaddrs: [] }))
    )
    const found = isDone(search.find(cidOf(1), routing, signal))
    for (let dial = 0; dial < MAX_FOUND; dial++) {
      await settlePromises()
      dials[dial]!.resolve()
    }
    await settlePromises()
    expect(dials).toHaveLength(MAX_FOUND)
    expect(routing).toMatchObject({ read: MAX_FOUND, isLeft: true })
    expect(found()).toBe(true)
  })

  test(`are dialled ${MAX_DIALS} at once at most`, async () => {
    const { search, signal, dials } = createSearch()
    const routing = routingOf(
      ...Array.from({ length: 50 }, (_, number) => ({ id: peerOf(number), multiaddrs: [] }))
    )
    void search.find(cidOf(1), routing, signal)
    await settlePromises()
    expect(dials).toHaveLength(MAX_DIALS)
    expect(routing.read).toBe(MAX_DIALS)
    dials[3]!.reject(new Error('not there'))
    await settlePromises()
    expect(dials).toHaveLength(MAX_DIALS + 1)
  })

  test('are not dialled when they are connected', async () => {
    const { node, search, signal, targets } = createSearch()
    node.connect(peerOf(1))
    node.connect(peerOf(2))
    const routing = routingOf({ id: peerOf(1), multiaddrs: [] }, { id: peerOf(2), multiaddrs: [address(2)] })
    await search.find(cidOf(1), routing, signal)
    expect(targets()).toEqual([])
  })

  test('are not dialled any more once it is over', async () => {
    const { search, dials, controller, signal } = createSearch()
    const routing = routingOf({ id: peerOf(1), multiaddrs: [] }, { id: peerOf(2), multiaddrs: [] })
    controller.abort()
    await search.find(cidOf(1), routing, signal)
    expect(dials).toEqual([])
  })

  test('are told of, with what the routing tells', async () => {
    const { search, signal } = createSearch()
    const started: FetchProgress = {
      type: 'helia:routing:find-providers:start',
      detail: { router: 'a router', cid: cidOf(1) }
    }
    const routing: ProviderRouting = {
      async *findProviders(_cid, options) {
        options?.onProgress?.(started)
        yield { id: peerOf(1), multiaddrs: [address(1)], router: 'a router' }
        yield { id: peerOf(2).toCID(), multiaddrs: [] }
      }
    }
    const told: unknown[] = []
    const tell: ProgressListener['tell'] = progressOf => {
      const { type, detail } = progressOf(cidOf(1))
      told.push([type, detail])
    }
    void search.find(cidOf(1), routing, signal, { tell })
    await settlePromises()
    const found = (id: PeerId, multiaddrs: Multiaddr[], router: string) => [
      'bitswap:found-provider',
      {
        type: 'bitswap',
        cid: cidOf(1),
        provider: { id: id.toCID(), multiaddrs, router, fallback: false },
        router
      }
    ]
    expect(told).toEqual([
      ['bitswap:find-providers', cidOf(1)],
      [started.type, started.detail],
      found(peerOf(1), [address(1)], 'a router'),
      ['bitswap:dial', [multiaddr(`${address(1)}/p2p/${peerOf(1)}`)]],
      found(peerOf(2), [], 'libp2p'),
      ['bitswap:dial', peerOf(2)]
    ])
  })

  test('are looked for with the signal, and an error of the routing is told', async () => {
    const { search, signal } = createSearch()
    const signals: unknown[] = []
    const routing: ProviderRouting = {
      // biome-ignore lint/correctness/useYield: it fails before there is anything
      async *findProviders(_cid, options) {
        signals.push(options?.signal)
        throw new Error('no network')
      }
    }
    await expect(search.find(cidOf(1), routing, signal)).rejects.toThrow('no network')
    expect(signals).toEqual([signal])
  })
})
