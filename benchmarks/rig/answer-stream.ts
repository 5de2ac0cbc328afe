import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection, Stream } from '@libp2p/interface'

export const BITSWAP = '/ipfs/bitswap/1.2.0'

/** Longest a message may take to be handed to the network, in ms. */
const SEND_LIMIT_MS = 5_000

const DRIP_BYTES = 64
const DRIP_INTERVAL_MS = 200

/** Sends a message on a stream of its own, as Helia does. @throws Error if the asker is gone */
export async function sendMessage(connection: Connection, message: Uint8Array): Promise<void> {
  const stream = await open(connection)
  try {
    if (!stream.send(message)) await stream.onDrain({ signal: AbortSignal.timeout(SEND_LIMIT_MS) })
    await stream.close({ signal: AbortSignal.timeout(SEND_LIMIT_MS) })
  } catch (error) {
    stream.abort(error as Error)
    throw error
  }
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
