import { setTimeout as sleep } from 'node:timers/promises'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { withBitswap } from '@helia/bitswap'
import type { HeliaWithLibp2p } from '@helia/libp2p'
import { privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import type { Multiaddr } from '@multiformats/multiaddr'
import { MemoryBlockstore } from 'blockstore-core'
import type { HeliaMixin } from 'helia'
import { createLibp2p } from 'libp2p'
import type { CID } from 'multiformats/cid'
import { type BlocksRequest, makeBlocks, makeBytes } from './blocks.ts'
import { DelayProxy } from './delay-proxy.ts'
import type { Fault, FileRequest, PeerSetup, PeerStats } from './peer-commands.ts'

const BITSWAP = '/ipfs/bitswap/1.2.0'

/** As many as the stock Bitswap asks for, which is what it is registered anew with. */
const MAX_STREAMS = 1024

/** All clients are on one host, where libp2p would take 5 connections per second and 10 at a time. */
const MAX_CLIENTS = 10_000

/** What of the stock Bitswap is made use of. Not its public side: a start fails if a new version lacks it. */
interface BitswapBroker {
  readonly bitswap: { readonly network: BitswapNetwork }
  announce(cid: CID): Promise<void>
}

interface BitswapNetwork {
  addEventListener(type: 'bitswap:message', listener: (event: CustomEvent<BitswapMessage>) => void): void
  _onStream(stream: Stream, connection: Connection): void
  sendMessage: SendMessage
}

interface BitswapMessage {
  readonly message: { readonly wantlist?: { readonly entries: ReadonlyArray<{ readonly cancel?: boolean }> } }
}

type SendMessage = (
  to: PeerId,
  message: { readonly blocks: ReadonlyMap<string, unknown> },
  options?: object
) => Promise<void>

/**
 * A libp2p node on 127.0.0.1 that serves blocks by the stock Bitswap, or fails to, as its fault demands.
 *
 * It has no whole Helia around its Bitswap because that takes three times as long to load; on the wire there is no
 * difference. It talks to nobody who did not connect to it.
 */
export class BitswapPeer {
  /** Where it can be reached on 127.0.0.1. */
  readonly port: number
  readonly #libp2p: Libp2p
  readonly #blocks: MemoryBlockstore
  readonly #broker: BitswapBroker
  readonly #network: BitswapNetwork
  readonly #answerDelayMs: number
  #fault: Fault
  #wants = 0
  #blocksSent = 0
  #inboundStreams = 0

  static async start(setup: PeerSetup): Promise<BitswapPeer> {
    const { libp2p, port } = await listen(setup)
    const blocks = new MemoryBlockstore()
    const peer = new BitswapPeer(setup, libp2p, port, blocks, await startBitswap(libp2p, blocks))
    await peer.#interpose()
    return peer
  }

  private constructor(
    { fault, answerDelayMs }: PeerSetup,
    libp2p: Libp2p,
    port: number,
    blocks: MemoryBlockstore,
    broker: BitswapBroker
  ) {
    this.#fault = fault
    this.#answerDelayMs = answerDelayMs
    this.#libp2p = libp2p
    this.port = port
    this.#blocks = blocks
    this.#broker = broker
    this.#network = broker.bitswap.network
  }

  async addBlocks(request: BlocksRequest): Promise<void> {
    for (const { cid, bytes } of await makeBlocks(request)) await this.#put(cid, bytes)
  }

  /** @returns the CID of the root */
  async addFile({ seed, sizeBytes, chunkBytes }: FileRequest): Promise<string> {
    // Few peers have files, and a peer without starts sooner.
    const { unixfs } = await import('@helia/unixfs')
    const blocks = this.#blocks
    const blockstore = {
      put: (cid: CID, bytes: Uint8Array) => this.#put(cid, bytes),
      get: blocks.get.bind(blocks),
      has: blocks.has.bind(blocks)
    }
    const chunking = chunkBytes === undefined ? {} : { chunker: chunker(chunkBytes) }
    const root = await unixfs({ blockstore }).addBytes(makeBytes({ seed, sizeBytes }), chunking)
    return root.toString()
  }

  setFault(fault: Fault): void {
    this.#fault = fault
  }

  stats(): PeerStats {
    return {
      wants: this.#wants,
      blocksSent: this.#blocksSent,
      inboundStreams: this.#inboundStreams,
      connections: this.#libp2p.getConnections().length
    }
  }

  /** As Helia does: a block goes to those who already wait for it. */
  async #put(cid: CID, bytes: Uint8Array): Promise<CID> {
    await this.#blocks.put(cid, bytes)
    await this.#broker.announce(cid)
    return cid
  }

  /** Steps between the network and the stock Bitswap. */
  async #interpose(): Promise<void> {
    const network = this.#network
    network.addEventListener('bitswap:message', ({ detail: { message } }) => {
      this.#wants += message.wantlist?.entries.filter(({ cancel }) => cancel !== true).length ?? 0
    })
    const send = network.sendMessage.bind(network)
    network.sendMessage = (...message) => this.#answer(send, message)
    const serve = network._onStream.bind(network)
    await this.#libp2p.handle(BITSWAP, (stream, connection) => this.#accept(serve, stream, connection), {
      maxInboundStreams: MAX_STREAMS,
      maxOutboundStreams: MAX_STREAMS,
      force: true
    })
  }

  #accept(serve: BitswapNetwork['_onStream'], stream: Stream, connection: Connection): void {
    this.#inboundStreams++
    const isReset = this.#fault === 'reset' || this.#fault === 'reset-once'
    if (this.#fault === 'reset-once') this.#fault = 'none'
    if (isReset) stream.abort(new Error('a fault on purpose'))
    else serve(stream, connection)
  }

  async #answer(send: SendMessage, message: Parameters<SendMessage>): Promise<void> {
    if (this.#fault === 'mute') return
    if (this.#answerDelayMs > 0) await sleep(this.#answerDelayMs)
    await send(...message)
    this.#blocksSent += message[1].blocks.size
  }
}

async function listen({ privateKey, port, delayMs }: PeerSetup): Promise<{ libp2p: Libp2p; port: number }> {
  const proxy = delayMs > 0 ? new DelayProxy(delayMs) : undefined
  const proxyPort = await proxy?.listen(port)
  const libp2p = await createLibp2p({
    start: false,
    privateKey: privateKeyFromProtobuf(privateKey),
    addresses: {
      listen: [loopback(proxy === undefined ? port : 0)],
      // Identify must not show clients the way round the proxy.
      announce: proxyPort === undefined ? [] : [loopback(proxyPort)]
    },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: {
      inboundConnectionThreshold: MAX_CLIENTS,
      maxIncomingPendingConnections: MAX_CLIENTS,
      maxConnections: MAX_CLIENTS
    },
    services: { identify: identify(), ping: ping() }
  })
  let libp2pPort = 0
  // Only a listener knows: the node's own addresses are those announced.
  libp2p.addEventListener('transport:listening', ({ detail: listener }) => {
    libp2pPort = tcpPort(listener.getAddrs()[0]!)
  })
  await libp2p.start()
  proxy?.forwardTo(libp2pPort)
  return { libp2p, port: proxyPort ?? libp2pPort }
}

function loopback(port: number): string {
  return `/ip4/127.0.0.1/tcp/${port}`
}

function tcpPort(address: Multiaddr): number {
  return Number(address.getComponents().find(({ name }) => name === 'tcp')?.value)
}

/** The stock Bitswap, given as much of a Helia node as it takes to serve blocks. */
async function startBitswap(libp2p: Libp2p, blockstore: MemoryBlockstore): Promise<BitswapBroker> {
  const mixins: Array<HeliaMixin<HeliaWithLibp2p>> = []
  const brokers: BitswapBroker[] = []
  const host = {
    status: 'starting',
    libp2p,
    blockstore,
    logger: libp2p.logger,
    addMixin: mixins.push.bind(mixins),
    hasBlockBroker: () => false,
    addBlockBroker: brokers.push.bind(brokers)
  } as unknown as HeliaWithLibp2p
  withBitswap(host)
  for (const mixin of mixins) await mixin.start?.(host)
  return brokers[0]!
}

/** Cuts what it is given into pieces of this size; the last one may be smaller. */
function chunker(sizeBytes: number): (source: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array> {
  return async function* cut(source) {
    for await (const bytes of source) {
      for (let at = 0; at < bytes.length; at += sizeBytes) yield bytes.subarray(at, at + sizeBytes)
    }
  }
}
