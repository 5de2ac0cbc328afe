import { isPeerId, type PeerId, type Stream, type StreamHandler, TimeoutError } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import { identity } from 'multiformats/hashes/identity'
import { sha512 } from 'multiformats/hashes/sha2'
import { describe, expect, test } from 'vitest'
import { isPeersFault } from '../../../src/bitswap/blame.ts'
import { BlockService, type GetBlockOptions } from '../../../src/bitswap/fetch/block-service.ts'
import type { ProviderRouting } from '../../../src/bitswap/fetch/provider-search.ts'
import { type PeerLink, PeerLinks } from '../../../src/bitswap/peer-link.ts'
import { BITSWAP_PROTOCOLS } from '../../../src/bitswap/protocols.ts'
import { Deadlines } from '../../../src/core/deadlines.ts'
import { ManualClock, Protection, tripAt } from '../../../src/core/index.ts'
import { settlePromises } from '../../support/drive.ts'
import type { TestBlock } from '../support/messages.ts'
import { type Dial, type FakeConnection, FakeNode, FakeRegistrar } from '../support/node.ts'
import { peerOf } from '../support/peers.ts'
import { openPair, settle } from '../support/streams.ts'
import { FakeStream } from './support/fake-stream.ts'
import { blocks, Got } from './support/fetcher.ts'

class FullRegistrar extends FakeRegistrar {
  /** Until this is over, nothing is handled. */
  handling: Promise<void> = Promise.resolve()
  unhandleError: Error | undefined

  override async handle(protocol: string, handler: StreamHandler): Promise<void> {
    await this.handling
    await super.handle(protocol, handler)
  }

  override unhandle = (async (protocol: string) => {
    this.handlers.delete(protocol)
    if (this.unhandleError !== undefined) throw this.unhandleError
  }) as never

  override unregister(id?: string): void {
    this.topologies.delete(id!)
  }
}

/** A service on a node without a network. */
function createService(contentRouting?: ProviderRouting, isAllowed: (key: string) => boolean = () => true) {
  const delivered: string[] = []
  const proven: string[] = []
  const node = new FakeNode()
  const registrar = new FullRegistrar()
  const clock = new ManualClock()
  const deadlines = new Deadlines(clock)
  const links = new PeerLinks()
  const protection = new Protection(
    { maxEjectedShare: 1, breaker: { readyToTrip: tripAt({ consecutiveFailures: 2 }), timeoutJitter: 0 } },
    { clock, random: () => 0 }
  )
  const streams = new Map<PeerLink, FakeStream>()
  const { connectionManager, logger, errors } = node
  const service = new BlockService(
    {
      registrar,
      connectionManager,
      logger,
      ...(contentRouting && { contentRouting: contentRouting as never })
    },
    {
      protection,
      clock,
      random: () => 0,
      deadlines,
      links,
      limits: { hedgeShare: 0.1 },
      onWant: () => {},
      load: { answered() {}, failed() {}, hedged() {}, hedgeRefused() {} },
      isAllowed,
      onDelivered: link => delivered.push(link.key),
      onProof: link => proven.push(link.key),
      judgeDial: (_peer, error) => (isPeersFault(error) ? 'failure' : 'ignored'),
      open: async link => {
        const fake = new FakeStream()
        streams.set(link, fake)
        return fake.stream
      }
    }
  )
  return {
    node,
    registrar,
    clock,
    deadlines,
    links,
    protection,
    service,
    delivered,
    proven,
    errors,
    dials: connectionManager.dials,
    /** As long as it takes until so many peers are dialled that do not answer. */
    async dialled(count: number): Promise<void> {
      await settlePromises()
      for (let ticks = 0; ticks < 2 * count; ticks++) {
        clock.advance(25)
        await settlePromises()
      }
    },
    /** A peer that was dialled answers: it is connected, and nothing is known of it. */
    reached: (dial: Dial): PeerLink => {
      const connection = node.connect(peerOfDial(dial))
      const link = links.claim(connection.remotePeer)
      link.connections.add(connection)
      dial.resolve(connection)
      return link
    },
    /** A peer connects, and identify finds that it speaks Bitswap. */
    connect: (peer: PeerId): PeerLink => {
      const connection = node.connect(peer)
      links.claim(peer).connections.add(connection)
      for (const { onConnect } of registrar.getTopologies(BITSWAP_PROTOCOLS[0]!))
        onConnect?.(peer, connection)
      return links.claim(peer)
    },
    get: (number: number, options: GetBlockOptions = {}): Got => {
      const got = new Got()
      return got.follow(service.getBlock(blocks[number]!.cid, { ...got.options, ...options }))
    },
    send: (link: PeerLink, { prefix, data }: TestBlock) => service.fetcher!.sentBlock(link, prefix, data),
    asked: (link: PeerLink): string[] => (streams.get(link)?.messages ?? []).flat().map(({ word }) => word)
  }
}

/** Routing that finds these, and notes what it was asked for. */
function routingOf(...ids: readonly PeerId[]): ProviderRouting & { readonly asked: CID[] } {
  const asked: CID[] = []
  return {
    asked,
    async *findProviders(cid) {
      asked.push(cid)
      for (const id of ids) yield { id, multiaddrs: [] }
    }
  }
}

function peerOfDial({ target }: Dial): PeerId {
  if (!isPeerId(target)) throw new Error('It was dialled by address')
  return target
}

const refused = (): Error => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })

describe('a block', () => {
  test('is asked of peers that connect, and resolves when one sends it', async () => {
    const { service, connect, get, asked, send } = createService()
    service.start()
    const got = get(0)
    await settlePromises()
    const link = connect(peerOf(1))
    expect(link.speaksBitswap).toBe(true)
    await settlePromises()
    expect(asked(link)).toEqual(['want'])
    expect(await send(link, blocks[0]!)).toBe(true)
    await settlePromises()
    expect(got.bytes).toEqual(blocks[0]!.data)
    expect([got.asked, got.from]).toEqual([[link.peer], [link.peer]])
  })

  test('is asked of peers that connected before the first was fetched, if they speak Bitswap', async () => {
    const { service, connect, get, asked, links, node } = createService()
    service.start()
    const link = connect(peerOf(1))
    const other = links.claim(peerOf(2))
    other.connections.add(node.connect(peerOf(2)))
    const gone = connect(peerOf(3))
    gone.connections.clear()
    get(0)
    await settlePromises()
    expect([link, other, gone].map(asked)).toEqual([['want'], [], []])
  })

  test('that is its own hash is there at once, whoever is connected', async () => {
    const { service } = createService()
    service.start()
    const data = Uint8Array.of(1, 2, 3)
    expect(await service.getBlock(CID.createV1(0x55, identity.digest(data)))).toEqual(data)
    expect(service.fetcher).toBe(undefined)
  })

  test('is hashed by the function the caller brings, if it is not one of those known', async () => {
    const { service, connect } = createService()
    service.start()
    const link = connect(peerOf(1))
    const digest = await sha512.digest(Uint8Array.of(1))
    const code = 0x1e
    const bytes = Uint8Array.of(code, 64, ...digest.digest)
    const cid = CID.createV1(0x55, { code, size: 64, digest: digest.digest, bytes } as never)
    const hasher = {
      digest: async (data: Uint8Array) => {
        const { digest: hash } = await sha512.digest(data)
        return { code, size: 64, digest: hash, bytes: Uint8Array.of(code, 64, ...hash) } as never
      }
    }
    const loaded: number[] = []
    const got = new Got().follow(
      service.getBlock(cid, {
        getHasher: asked => {
          loaded.push(asked)
          return asked === code ? hasher : undefined
        }
      })
    )
    await settlePromises()
    await service.fetcher!.sentBlock(link, Uint8Array.of(1, 0x55, code, 64), Uint8Array.of(1))
    await settlePromises()
    expect(got.bytes).toEqual(Uint8Array.of(1))
    // Those of nearly all blocks are not asked for.
    await service.fetcher!.sentBlock(link, blocks[0]!.prefix, blocks[0]!.data)
    expect(loaded).toEqual([code])
  })
})

describe('nothing is done', () => {
  test('before the first block is fetched but to note who speaks Bitswap', () => {
    const { service, registrar, connect, deadlines } = createService()
    service.start()
    expect(connect(peerOf(1)).speaksBitswap).toBe(true)
    expect(service.fetcher).toBe(undefined)
    expect(registrar.getProtocols()).toEqual([])
    expect(deadlines.size).toBe(0)
    for (const protocol of BITSWAP_PROTOCOLS) {
      const [topology] = registrar.getTopologies(protocol)
      expect(topology?.notifyOnLimitedConnection).toBe(true)
    }
  })

  test('before the start, nor after the stop', async () => {
    const { service, get } = createService()
    const early = get(0)
    await settlePromises()
    expect(early.error).toMatchObject({ name: 'NotStartedError' })
    service.start()
    service.stop()
    const late = get(0)
    await settlePromises()
    expect(late.error).toMatchObject({ name: 'NotStartedError' })
  })
})

describe('streams of peers', () => {
  test('are taken where nobody else does, so that answers arrive', async () => {
    const { service, registrar, get } = createService()
    service.start()
    get(0)
    await settlePromises()
    expect(registrar.getProtocols()).toEqual([...BITSWAP_PROTOCOLS])
    const [ours, theirs] = (await openPair()) as [Stream, Stream]
    await registrar.getHandler(BITSWAP_PROTOCOLS[0]!).handler(ours, {} as never)
    await settle()
    expect(ours.writeStatus).toBe('closed')
    expect(ours.readStatus).toBe('readable')
    theirs.send(Uint8Array.of(1, 2, 3))
    await settle()
    // It flows: nothing piles up.
    expect((ours as unknown as { readBufferLength: number }).readBufferLength).toBe(0)
  })

  test('are left to whoever takes them already', async () => {
    const { service, registrar, get } = createService()
    service.start()
    await registrar.handle(BITSWAP_PROTOCOLS[1]!, () => {})
    get(0)
    await settlePromises()
    expect(registrar.getProtocols()).toEqual([BITSWAP_PROTOCOLS[1]])
    service.stop()
    expect(registrar.getProtocols()).toEqual([BITSWAP_PROTOCOLS[1]])
  })

  test('are taken before anybody is asked', async () => {
    const { service, registrar, connect, get, asked } = createService()
    const { promise, resolve } = Promise.withResolvers<void>()
    registrar.handling = promise
    service.start()
    const link = connect(peerOf(1))
    get(0)
    await settlePromises()
    expect(asked(link)).toEqual([])
    resolve()
    await settlePromises()
    expect(asked(link)).toEqual(['want'])
  })
})

describe('other peers', () => {
  test('that are given are connected to, each once', async () => {
    const { service, get, dials, dialled } = createService()
    service.start()
    const address = multiaddr('/ip4/10.0.0.2/tcp/4001')
    get(0, { providers: [peerOf(1), address] })
    get(1, { providers: [peerOf(1), address] })
    await dialled(2)
    expect(dials.map(({ target }) => target)).toEqual([peerOf(1), [address]])
  })

  test('that are given are connected to: two of them, five more when nothing comes for 100 ms, and when those do not do', async () => {
    const { service, get, dials, reached, clock } = createService()
    service.start()
    const providers = Array.from({ length: 20 }, (_, index) => peerOf(index + 1))
    const targets = (): string[] => dials.map(({ target }) => target.toString())
    get(0, { providers })
    get(1, { providers })
    await settlePromises()
    const link = reached(dials[0]!)
    let connected = 1
    const pass = async (ms: number): Promise<number> => {
      for (let passedMs = 0; passedMs < ms; passedMs += 25) {
        clock.advance(25)
        await settlePromises()
        for (const dial of dials.slice(connected)) reached(dial)
        connected = dials.length
        await settlePromises()
      }
      return connected
    }
    expect([await pass(75), await pass(150), await pass(150)]).toEqual([2, 7, 12])
    for (const number of [0, 1]) service.fetcher!.toldPresence(link, blocks[number]!.cid.bytes, false)
    expect(await pass(25)).toBeGreaterThan(12)
    expect(targets()).toEqual(providers.slice(0, dials.length).map(String))
  })

  test('that are given and are lost are connected to again by whoever waits, though nobody else is known', async () => {
    const { service, get, dials, dialled, reached, asked, links, clock } = createService()
    service.start()
    get(0, { providers: [peerOf(1)] })
    await dialled(1)
    const link = reached(dials[0]!)
    await settlePromises()
    for (const connection of link.connections) (connection as FakeConnection).lose()
    link.connections.clear()
    service.fetcher!.disconnected(link, false)
    for (let passedMs = 0; passedMs < 4_000 && dials.length < 2; passedMs += 25) {
      clock.advance(25)
      await settlePromises()
    }
    expect(dials.map(({ target }) => target)).toEqual([peerOf(1), peerOf(1)])
    reached(dials[1]!)
    await settlePromises()
    expect(asked(links.claim(peerOf(1))).at(-1)).toBe('want')
  })

  test('that are reached are asked at once, whether or not they have said that they speak Bitswap', async () => {
    const { service, get, dials, dialled, reached, asked } = createService()
    service.start()
    get(0, { providers: [peerOf(1)] })
    await dialled(1)
    const link = reached(dials[0]!)
    await settlePromises()
    expect(asked(link)).toEqual(['want'])
  })

  test('that were given by address only are asked as soon as they are reached', async () => {
    const { service, get, dials, node, links, asked } = createService()
    service.start()
    get(0, { providers: [multiaddr('/ip4/10.0.0.2/tcp/4001')] })
    await settlePromises()
    const connection = node.connect(peerOf(2))
    links.claim(peerOf(2)).connections.add(connection)
    dials[0]!.resolve(connection)
    await settlePromises()
    expect(asked(links.claim(peerOf(2)))).toEqual(['want'])
  })

  test('that are gone before they could be asked are not', async () => {
    const { service, get, dials, dialled, reached, asked } = createService()
    service.start()
    get(0, { providers: [peerOf(1)] })
    await dialled(1)
    const link = reached(dials[0]!)
    link.connections.clear()
    await settlePromises()
    expect(asked(link)).toEqual([])
  })

  test('are looked for where the caller says', async () => {
    const own = routingOf(peerOf(1))
    const usual = routingOf(peerOf(2))
    const { service, get, dials } = createService(usual)
    service.start()
    get(0, { routing: own })
    await settlePromises()
    expect(own.asked).toEqual([blocks[0]!.cid])
    expect(usual.asked).toEqual([])
    expect(dials.map(({ target }) => target)).toEqual([peerOf(1)])
  })

  test('are looked for in the content routing of the node if the caller says nothing', async () => {
    const usual = routingOf(peerOf(2))
    const { service, get, dials } = createService(usual)
    service.start()
    get(0)
    await settlePromises()
    expect(usual.asked).toEqual([blocks[0]!.cid])
    expect(dials.map(({ target }) => target)).toEqual([peerOf(2)])
  })

  test('are not looked for where there is no routing', async () => {
    const { service, get, dials } = createService()
    service.start()
    const got = get(0)
    await settlePromises()
    expect(dials).toEqual([])
    expect(got.isPending).toBe(true)
  })

  test('that cannot be connected to count as having failed, if that is their fault', async () => {
    const { service, get, dials, dialled, reached, protection } = createService()
    service.start()
    const got = get(0, { providers: [1, 2, 3].map(peerOf) })
    await dialled(3)
    const [first, second, third] = dials
    first!.reject(refused())
    second!.reject(new Error('no room for more connections'))
    reached(third!)
    await settlePromises()
    got.abort()
    const counts = [1, 2, 3].map(number => protection.getPeerStatus(peerOf(number).toString())?.counts)
    expect(counts.map(count => [count?.totalFailures, count?.totalSuccesses])).toEqual([
      [1, 0],
      [0, 0],
      [0, 0]
    ])
    expect(protection.getOverallStatus().inFlight).toBe(0)
  })

  test('that could not be connected to are told as evidence', async () => {
    const { service, get, dials, dialled } = createService()
    service.start()
    get(0, { providers: [peerOf(1), peerOf(2)] })
    await dialled(2)
    dials[0]!.reject(refused())
    dials[1]!.reject(new Error('no room for more connections'))
    await settlePromises()
    expect(service.faults(peerOf(1).toString())).toMatchObject([{ fault: 'DIAL_FAILURE', cid: undefined }])
    expect(service.faults(peerOf(2).toString())).toEqual([])
  })

  test('that are not allowed are not connected to', async () => {
    const { service, dials, get } = createService(undefined, key => key === peerOf(2).toString())
    service.start()
    get(0, { providers: [peerOf(1), peerOf(2)] })
    await settlePromises()
    expect(dials.map(({ target }) => target.toString())).toEqual([peerOf(2).toString()])
  })

  test('that may not be called are not connected to', async () => {
    const { service, get, dials, protection } = createService()
    service.start()
    protection.isolate(peerOf(1).toString())
    get(0, { providers: [1, 2].map(peerOf) })
    await settlePromises()
    expect(dials.map(({ target }) => target)).toEqual([peerOf(2)])
  })

  test("that are being connected to when the block is there are let go, to nobody's harm", async () => {
    const { service, get, dials, connect, send, protection } = createService(routingOf(peerOf(2)))
    service.start()
    get(0)
    await settlePromises()
    expect(dials).toHaveLength(1)
    await send(connect(peerOf(1)), blocks[0]!)
    await settlePromises()
    await expect(dials[0]!.promise).rejects.toThrow()
    expect(protection.getPeerStatus(peerOf(2).toString())?.counts.totalFailures).toBe(0)
    expect(protection.getOverallStatus().inFlight).toBe(0)
  })
})

test("a dial that runs out of time only after it was let go is nobody's fault", async () => {
  const { service, get, connect, send, protection, node } = createService(routingOf(peerOf(2)))
  const { promise, reject } = Promise.withResolvers<never>()
  node.connectionManager.openConnection = () => promise
  service.start()
  get(0)
  await settlePromises()
  await send(connect(peerOf(1)), blocks[0]!)
  reject(new TimeoutError('too late'))
  await settlePromises()
  expect(protection.getPeerStatus(peerOf(2).toString())?.counts.totalFailures).toBe(0)
  expect(protection.getOverallStatus().inFlight).toBe(0)
})

test('what a peer did wrong is kept, also after the stop', async () => {
  const { service, connect, get, send, clock, proven, delivered } = createService()
  service.start()
  const link = connect(peerOf(1))
  connect(peerOf(4))
  connect(peerOf(5))
  get(0)
  await settlePromises()
  clock.advance(1_000)
  // Asked only whether it has the block.
  await send(connect(peerOf(3)), { ...blocks[1]!, data: Uint8Array.of(2) })
  expect(service.faults(peerOf(3).toString())).toMatchObject([{ fault: 'UNREQUESTED_BLOCK' }])
  expect(proven).toEqual([])
  await send(link, { ...blocks[0]!, data: Uint8Array.of(1) })
  const evidence = [{ fault: 'CORRUPT_BLOCK', cid: blocks[0]!.cid.toString(), at: clock.wallTime() }]
  expect(service.faults(link.key)).toEqual(evidence)
  expect(service.faults(peerOf(2).toString())).toEqual([])
  expect({ proven, delivered }).toEqual({ proven: [link.key], delivered: [] })
  service.stop()
  expect(service.faults(link.key)).toEqual(evidence)
})

describe('the stop', () => {
  test('ends what is under way, and leaves the node as it was', async () => {
    const { service, registrar, connect, get, dials, deadlines, protection } = createService()
    service.start()
    connect(peerOf(1))
    const got = get(0, { providers: [peerOf(2)] })
    await settlePromises()
    expect(deadlines.size).toBeGreaterThan(0)
    service.stop()
    await settlePromises()
    expect(got.error).toMatchObject({ name: 'NotStartedError' })
    await expect(dials[0]!.promise).rejects.toThrow()
    expect(service.fetcher).toBe(undefined)
    expect(registrar.getProtocols()).toEqual([])
    expect([...registrar.topologies.keys()]).toEqual([])
    expect(deadlines.size).toBe(0)
    expect(protection.getOverallStatus().inFlight).toBe(0)
    expect(protection.getPeerStatus(peerOf(2).toString())?.counts.totalFailures).toBe(0)
  })

  test('while streams of peers are not taken yet ends what waits for that', async () => {
    const { service, registrar, get } = createService()
    const { promise, resolve } = Promise.withResolvers<void>()
    registrar.handling = promise
    service.start()
    const got = get(0)
    service.stop()
    resolve()
    await settlePromises()
    expect(got.error).toMatchObject({ name: 'NotStartedError' })
    expect(service.fetcher).toBe(undefined)
  })

  test('is not disturbed by streams that cannot be given back', async () => {
    const { service, registrar, get, errors } = createService()
    service.start()
    get(0)
    await settlePromises()
    registrar.unhandleError = new Error('no')
    service.stop()
    await settlePromises()
    expect(errors).toHaveLength(BITSWAP_PROTOCOLS.length)
  })

  test('may be followed by another start', async () => {
    const { service, registrar, connect, get, asked, send, dials } = createService()
    service.start()
    get(0)
    await settlePromises()
    service.stop()
    await settlePromises()
    service.start()
    const link = connect(peerOf(1))
    const got = get(1, { providers: [peerOf(5)] })
    await settlePromises()
    expect(dials.map(({ target }) => target)).toEqual([peerOf(5)])
    expect(registrar.getProtocols()).toEqual([...BITSWAP_PROTOCOLS])
    expect(asked(link)).toEqual(['want'])
    await send(link, blocks[1]!)
    await settlePromises()
    expect(got.bytes).toEqual(blocks[1]!.data)
  })
})
