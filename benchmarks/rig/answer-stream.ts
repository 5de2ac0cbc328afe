import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection, Stream } from '@libp2p/interface'

export const BITSWAP = '/ipfs/bitswap/1.2.0'

/** Longest a message may take to be handed to the network, in ms. */
const SEND_LIMIT_MS = 5_000

/** A line lets so much through at a time. */
const PART_BYTES = 16_384

const DRIP_BYTES = 64
const DRIP_INTERVAL_MS = 200

/** When a message goes over a line, and how fast. */
export interface Passage {
  /** When its first byte can, in ms as `performance.now()` tells. */
  readonly beginMs: number
  readonly bytesPerS: number
}

/** Sends a message on a stream of its own, as Helia does. @throws Error if the asker is gone */
export async function sendMessage(
  connection: Connection,
  message: Uint8Array,
  passage?: Passage
): Promise<void> {
  const stream = await open(connection)
  try {
    const isSent = passage === undefined ? stream.send(message) : await sendParts(stream, message, passage)
    if (!isSent) await stream.onDrain({ signal: AbortSignal.timeout(SEND_LIMIT_MS) })
    await stream.close({ signal: AbortSignal.timeout(SEND_LIMIT_MS) })
  } catch (error) {
    stream.abort(error as Error)
    throw error
  }
}

/** Sends each part when the line has let it through. Returns whether there is room for more. */
async function sendParts(
  stream: Stream,
  message: Uint8Array,
  { beginMs, bytesPerS }: Passage
): Promise<boolean> {
  let hasRoom = true
  for (let at = 0; at < message.length; at += PART_BYTES) {
    const part = message.subarray(at, at + PART_BYTES)
    await sleep(beginMs + (1_000 * (at + part.length)) / bytesPerS - performance.now())
    hasRoom = stream.send(part)
  }
  return hasRoom
}

/**
 * Sends a message bit by bit, for as long as somebody listens.
 *
 * @param onSent - told of each bit
 * @throws Error if the asker is gone before it is complete
 */
export async function dripMessage(
  connection: Connection,
  message: Uint8Array,
  onSent: (bytes: number) => void
): Promise<void> {
  const stream = await open(connection)
  for (let at = 0; at < message.length; at += DRIP_BYTES) {
    const bit = message.subarray(at, at + DRIP_BYTES)
    stream.send(bit)
    onSent(bit.length)
    await sleep(DRIP_INTERVAL_MS)
  }
  await stream.close({ signal: AbortSignal.timeout(SEND_LIMIT_MS) })
}

async function open(connection: Connection): Promise<Stream> {
  const stream = await connection.newStream(BITSWAP, { signal: AbortSignal.timeout(SEND_LIMIT_MS) })
  await stream.closeRead()
  return stream
}
