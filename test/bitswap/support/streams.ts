import type { Stream, StreamCloseEvent } from '@libp2p/interface'
import { streamPair } from '@libp2p/utils'
import { BITSWAP } from '../../../src/bitswap/protocols.ts'
import { settlePromises } from '../../support/drive.ts'

/** Lets everything happen that needs no time to pass, on all of several streams one after the other. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await settlePromises()
}

/** Both ends of a stream that is open. */
export async function openPair(protocol: string = BITSWAP, capacity?: number): Promise<[Stream, Stream]> {
  const pair = await streamPair(capacity === undefined ? {} : { capacity })
  for (const stream of pair) stream.protocol = protocol
  return pair
}

/** Gathers what arrives at a stream. */
export function reader(stream: Stream): { readonly bytes: Uint8Array; readonly closes: StreamCloseEvent[] } {
  const chunks: Uint8Array[] = []
  const closes: StreamCloseEvent[] = []
  stream.addEventListener('message', ({ data }) => {
    chunks.push(data.subarray())
  })
  stream.addEventListener('close', event => {
    closes.push(event)
  })
  return {
    get bytes() {
      return Uint8Array.from(Buffer.concat(chunks))
    },
    closes
  }
}

/** Bytes that differ from each other, so that order shows. */
export function counted(length: number, from = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (from + index * 7) & 255)
}
