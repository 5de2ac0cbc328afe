import type { Libp2p, PeerId, Stream } from '@libp2p/interface'
import { type Cost, costOf } from './cost.ts'

// Protocols that have nothing to do with Bitswap, so that the service leaves them alone: one stream with much on it, and
// many with little.

const DOWNLOAD = '/bench/download/1.0.0'
const ECHO = '/bench/echo/1.0.0'

const ECHO_BYTES = 1_024
const ECHOES_AT_ONCE = 10

const DOWNLOAD_LIMIT_MS = 60_000
const ECHO_LIMIT_MS = 10_000

/** Streams at once that libp2p is to allow, of each protocol and direction. */
const limits = { maxInboundStreams: 2 * ECHOES_AT_ONCE, maxOutboundStreams: 2 * ECHOES_AT_ONCE }

/** @param chunk - what a download consists of, over and over */
export async function servePlainProtocols(libp2p: Libp2p, chunk: Uint8Array, chunks: number): Promise<void> {
  await libp2p.handle(DOWNLOAD, stream => sendChunks(stream, chunk, chunks), limits)
  await libp2p.handle(ECHO, sendBack, limits)
}

async function sendChunks(stream: Stream, chunk: Uint8Array, chunks: number): Promise<void> {
  const signal = AbortSignal.timeout(DOWNLOAD_LIMIT_MS)
  for (let sent = 0; sent < chunks; sent++) {
    if (!stream.send(chunk)) await stream.onDrain({ signal })
  }
  await stream.close({ signal })
}

async function sendBack(stream: Stream): Promise<void> {
  for await (const data of stream) stream.send(data)
  await stream.close({ signal: AbortSignal.timeout(ECHO_LIMIT_MS) })
}

/** Has a peer send its chunks over one stream. @returns what it cost, and 1 if they are not what they should be */
export async function download(
  libp2p: Libp2p,
  peer: PeerId,
  chunk: Uint8Array,
  chunks: number
): Promise<Cost> {
  let receivedBytes = 0
  let isWrong = false
  const cost = await costOf(async () => {
    const signal = AbortSignal.timeout(DOWNLOAD_LIMIT_MS)
    const stream = await libp2p.dialProtocol(peer, DOWNLOAD, { ...limits, signal })
    for await (const data of stream) {
      const bytes = data.subarray()
      if (!isPartOf(chunk, bytes, receivedBytes)) isWrong = true
      receivedBytes += bytes.length
    }
    await stream.close({ signal })
  })
  return { ...cost, failed: isWrong || receivedBytes !== chunks * chunk.length ? 1 : 0 }
}

/** Whether bytes are what is at this place of a chunk that is repeated without end. */
function isPartOf(chunk: Uint8Array, bytes: Uint8Array, place: number): boolean {
  for (let at = 0; at < bytes.length; ) {
    const expected = chunk.subarray((place + at) % chunk.length).subarray(0, bytes.length - at)
    if (Buffer.compare(expected, bytes.subarray(at, at + expected.length)) !== 0) return false
    at += expected.length
  }
  return true
}

/** Opens streams to a peer that sends back what it gets. @returns what it cost, and how often something else came back */
export async function exchangeEchoes(libp2p: Libp2p, peer: PeerId, count: number): Promise<Cost> {
  const numbers = Array.from({ length: count }, (_, number) => number).values()
  let failed = 0
  const exchangeNext = async (): Promise<void> => {
    for (const number of numbers) if (!(await exchangeEcho(libp2p, peer, number))) failed++
  }
  const cost = await costOf(async () => {
    await Promise.all(Array.from({ length: ECHOES_AT_ONCE }, exchangeNext))
  })
  return { ...cost, failed }
}

/** Whether what was sent comes back. */
async function exchangeEcho(libp2p: Libp2p, peer: PeerId, number: number): Promise<boolean> {
  const sent = new Uint8Array(ECHO_BYTES).fill(number)
  const signal = AbortSignal.timeout(ECHO_LIMIT_MS)
  const stream = await libp2p.dialProtocol(peer, ECHO, { ...limits, signal })
  stream.send(sent)
  await stream.close({ signal })
  const received: Uint8Array[] = []
  for await (const data of stream) received.push(data.subarray())
  return Buffer.compare(Buffer.concat(received), sent) === 0
}
