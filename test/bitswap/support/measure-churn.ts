/**
 * Measures what the service keeps of peers that come and go, in a process of its own:
 * `node --expose-gc … measure-churn.ts <peers> <subnets>`. Prints the figures as JSON.
 */
import type { PeerId, Stream } from '@libp2p/interface'
import { peerIdFromMultihash } from '@libp2p/peer-id'
import * as Digest from 'multiformats/hashes/digest'
import { BitswapProtectionManager } from '../../../src/bitswap/index.ts'
import { BITSWAP } from '../../../src/bitswap/protocols.ts'
import { ManualClock } from '../../../src/core/index.ts'
import { FakeDatastore } from './datastore.ts'
import { cidOf, wants } from './messages.ts'
import { FakeConnection, FakeNode } from './node.ts'

/** Peers that come per ms. */
const PEERS_PER_MS = 10

const list = wants([cidOf(1), cidOf(2)])

/** Bytes in use, of the heap and of buffers; after that nobody is waiting to be collected. */
async function bytesInUse(): Promise<number> {
  for (let round = 0; round < 4; round++) {
    globalThis.gc?.()
    // Buffers are freed a turn later.
    await new Promise(resolve => setImmediate(resolve))
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** A peer id, another one for each number. */
function peerOf(number: number): PeerId {
  const bytes = new Uint8Array(32)
  new DataView(bytes.buffer).setUint32(0, number)
  return peerIdFromMultihash(Digest.create(0x12, bytes))
}

/** A peer's address: of one of so many networks, that are not private. */
function hostOf(number: number, subnets: number): string {
  const subnet = number % subnets
  return `5.${subnet >> 8}.${subnet & 0xff}.${1 + (number % 200)}`
}

/** As much of a stream that a peer opened as is touched, and no more, so that little else is measured. */
function inboundStream(): Stream {
  const stream = {
    status: 'open',
    dispatchEvent: () => true,
    abort: () => {
      stream.status = 'aborted'
    }
  }
  return stream as unknown as Stream
}

async function measure(peers: number, subnets: number): Promise<unknown> {
  const node = new FakeNode()
  const clock = new ManualClock()
  await node.registrar.handle(BITSWAP, () => {})
  const datastore = new FakeDatastore()
  const before = await bytesInUse()
  const manager = new BitswapProtectionManager({ ...node, datastore }, {}, { clock, random: () => 0 })
  await manager.beforeStart()

  const fail = (peer: PeerId) =>
    manager.executeRequest(peer, () => Promise.reject(new Error('no'))).catch(() => {})
  const knownBad = peerOf(0)
  for (let call = 0; call < 5; call++) await fail(knownBad)

  let refused = 0
  /** A peer connects, asks for blocks, is called, and goes. */
  const visit = async (number: number): Promise<void> => {
    const peer = peerOf(number)
    const connection = node.add(new FakeConnection(peer, undefined, hostOf(number, subnets)))
    const stream = inboundStream()
    await node.registrar.getHandler(BITSWAP).handler(stream, connection)
    stream.dispatchEvent(Object.assign(new Event('message'), { data: list }) as never)
    if (stream.status === 'aborted') refused++
    if (number % 10 === 0) await fail(peer)
    else await manager.executeRequest(peer, () => {})
    connection.lose()
  }
  let come = 0
  const comeUpTo = async (count: number): Promise<void> => {
    while (come < count) {
      await visit(++come)
      if (come % PEERS_PER_MS === 0) clock.advance(1)
    }
  }
  const start = performance.now()
  await comeUpTo(peers / 5)
  const early = await bytesInUse()
  await comeUpTo(peers)
  const usPerPeer = ((performance.now() - start) * 1_000) / peers
  const late = await bytesInUse()
  const status = manager.getPeerStatus(knownBad)
  const { totalPeers } = manager.getOverallStatus()
  manager.close()
  return {
    bytes: late - before,
    growth: late - early,
    usPerPeer,
    totalPeers,
    refused,
    circuitState: status?.circuitState,
    trips: status?.trips
  }
}

console.log(JSON.stringify(await measure(Number(process.argv[2]), Number(process.argv[3]))))
