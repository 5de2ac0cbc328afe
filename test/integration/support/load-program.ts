import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import type { Libp2p, PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type TCPSocketOptions, tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { makeBlocks } from '../../../src/cli/swarm/blocks.ts'
import { serveCommands } from '../../../src/cli/swarm/serve-commands.ts'
import { cidOf, wants } from '../../bitswap/support/messages.ts'
import { BITSWAP, Client } from './client.ts'
import type { Flooded, FloodLoad, LoadCommands } from './load-child.ts'

// Peers that ask a server for blocks, in a process of their own; `LoadChild` runs it.

/** The first bytes of each CID that `cidOf` makes, and the length of the digest after them. */
const CID_PREFIX = Uint8Array.of(1, 0x55, 0x12, 0x20)
const DIGEST_BYTES = 32

let flooders: Libp2p[] = []
let isFlooding = false

serveCommands<LoadCommands>({
  async connect({ server, peers }) {
    flooders = await Promise.all(Array.from({ length: peers }, (_, index) => createPeer(index)))
    for (const flooder of flooders) await flooder.dial(multiaddr(server.multiaddr))
  },
  async flood(load) {
    isFlooding = true
    const server = peerIdFromString(load.server.peerId)
    const sent = await Promise.all(flooders.map(flooder => flood(flooder, server, load)))
    return {
      lists: sent.reduce((sum, { lists }) => sum + lists, 0),
      refused: sent.reduce((sum, { refused }) => sum + refused, 0)
    }
  },
  endFlood() {
    isFlooding = false
  },
  async fetch({ server, blocks, concurrency }) {
    await using client = await Client.start({ protection: { mode: 'off' } })
    await client.connect(server)
    return await client.getAll(await makeBlocks(blocks), concurrency)
  }
})

/** Each has an address of its own. */
function createPeer(index: number): Promise<Libp2p> {
  const localAddress = `127.${20 + Math.floor(index / 256)}.${index % 256}.1`
  const dialOpts: TCPSocketOptions & { localAddress: string } = { localAddress }
  return createLibp2p({
    addresses: { listen: [] },
    transports: [tcp({ dialOpts })],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() }
  })
}

/** Sends lists of wants that nobody has a block for, one after the other, until told to stop. Connects anew if need be. */
async function flood(flooder: Libp2p, server: PeerId, load: FloodLoad): Promise<Flooded> {
  const template = wants(Array.from({ length: load.wants }, (_, index) => cidOf(index)))
  let lists = 0
  let refused = 0
  const pauseMs = (): number => load.pauseMs * (0.5 + Math.random())
  // Not all at the same moment, again and again.
  await sleep(load.pauseMs * Math.random())
  while (isFlooding && lists < load.lists) {
    lists++
    try {
      const stream = await flooder.dialProtocol(server, BITSWAP)
      stream.send(withOtherCids(template))
      const isClosed = new Promise<boolean>(resolve => {
        stream.addEventListener('close', ({ error }) => resolve(error !== undefined))
      })
      await stream.close()
      if (await Promise.race([isClosed, sleep(pauseMs(), false)])) refused++
    } catch {
      refused++
      await sleep(pauseMs())
    }
  }
  return { lists, refused }
}

function withOtherCids(template: Uint8Array): Uint8Array {
  const message = Buffer.from(template)
  for (let at = message.indexOf(CID_PREFIX); at >= 0; at = message.indexOf(CID_PREFIX, at + DIGEST_BYTES)) {
    message.set(randomBytes(DIGEST_BYTES), at + CID_PREFIX.length)
  }
  return message
}
