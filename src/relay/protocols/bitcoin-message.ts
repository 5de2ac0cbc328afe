import { createHash } from 'node:crypto'

/** Bytes that each message begins with, by network (Bitcoin Core, `kernel/chainparams.cpp`, `pchMessageStart`). */
export const networkMagic = Object.freeze({
  mainnet: 0xf9beb4d9,
  testnet3: 0x0b110907,
  testnet4: 0x1c163f28,
  signet: 0x0a03cf40,
  regtest: 0xfabfb5da
})

export type BitcoinNetwork = keyof typeof networkMagic

/** Bytes before each payload: magic, command, size and checksum. */
export const HEADER_BYTES = 24
const COMMAND_BYTES = 12
const COMMAND_AT = 4
const SIZE_AT = 16
const CHECKSUM_AT = 20

/** The longest payload (Bitcoin Core, `MAX_PROTOCOL_MESSAGE_LENGTH`), in bytes. */
export const MAX_PAYLOAD_BYTES = 4_000_000

/** Thrown when what came is no message of the network it should be of. */
export class BitcoinMessageError extends Error {
  static override readonly name = 'BitcoinMessageError'

  constructor(detail: string) {
    super(`No Bitcoin message: ${detail}`)
    this.name = 'BitcoinMessageError'
  }
}

/** A message of Bitcoin's protocol between nodes (version 1 of its transport). */
export interface BitcoinMessage {
  readonly command: string
  readonly payload: Uint8Array
}

/** What a header says of the payload after it. */
export interface BitcoinHeader {
  readonly command: string
  readonly size: number
  readonly checksum: number
}

/** The bytes of a message. */
export function encodeMessage(network: BitcoinNetwork, { command, payload }: BitcoinMessage): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, networkMagic[network])
  bytes.set(new TextEncoder().encode(command), COMMAND_AT)
  view.setUint32(SIZE_AT, payload.length, true)
  view.setUint32(CHECKSUM_AT, checksumOf(payload))
  bytes.set(payload, HEADER_BYTES)
  return bytes
}

/** Reads a header. @throws BitcoinMessageError */
export function decodeHeader(network: BitcoinNetwork, header: Uint8Array): BitcoinHeader {
  const view = new DataView(header.buffer, header.byteOffset, HEADER_BYTES)
  const magic = view.getUint32(0)
  if (magic !== networkMagic[network])
    throw new BitcoinMessageError(`it is of another network than ${network}`)
  const size = view.getUint32(SIZE_AT, true)
  if (size > MAX_PAYLOAD_BYTES)
    throw new BitcoinMessageError(`it has ${size} bytes, at most ${MAX_PAYLOAD_BYTES} are allowed`)
  return { command: readCommand(header), size, checksum: view.getUint32(CHECKSUM_AT) }
}

/** Makes sure that a payload is the one its header was made for. @throws BitcoinMessageError */
export function checkPayload({ checksum }: BitcoinHeader, payload: Uint8Array): void {
  if (checksumOf(payload) !== checksum) throw new BitcoinMessageError('its checksum is wrong')
}

/** The first four bytes of the payload's SHA-256 of SHA-256. */
function checksumOf(payload: Uint8Array): number {
  const once = createHash('sha256').update(payload).digest()
  return createHash('sha256').update(once).digest().readUInt32BE()
}

/** Printable characters, filled up with zeros. @throws BitcoinMessageError */
function readCommand(header: Uint8Array): string {
  const text = new TextDecoder('latin1').decode(header.subarray(COMMAND_AT, COMMAND_AT + COMMAND_BYTES))
  const [, command] = /^([\x21-\x7e]+)\0*$/.exec(text) ?? []
  if (command === undefined) throw new BitcoinMessageError('its command cannot be read')
  return command
}
