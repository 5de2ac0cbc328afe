import { type Clock, InvalidOptionError } from '../../core/index.ts'
import type { OperationOptions } from '../channel/channel.ts'
import {
  type BitcoinMessage,
  BitcoinMessageError,
  type BitcoinNetwork,
  checkPayload,
  decodeHeader,
  encodeMessage,
  HEADER_BYTES,
  MAX_PAYLOAD_BYTES
} from './bitcoin-message.ts'

/** The version of the protocol we speak (Bitcoin Core, `node/protocol_version.h`, `PROTOCOL_VERSION`). */
const PROTOCOL_VERSION = 70_016

/** Whoever is older is not talked to (the same, `MIN_PEER_PROTO_VERSION`). */
const MIN_PROTOCOL_VERSION = 31_800

/** Longest user agent, in bytes (Bitcoin Core, `net.h`, `MAX_SUBVERSION_LENGTH`). */
const MAX_USER_AGENT_BYTES = 256

/** What a user agent may not have, or it could do harm where it is shown (`util/strencodings.cpp`, `SAFE_CHARS_DEFAULT`). */
const UNSAFE = /[^A-Za-z0-9 .,;\-_/:?@()]/g

const USER_AGENT = '/bitswap-protection/'

// Where things are in the payload of `version` (Bitcoin Core, `net_processing.cpp`, `PushNodeVersion`; addresses there have no
// time, and so 26 bytes).
const SERVICES_AT = 4
const TIME_AT = 12
const NONCE_AT = 72
const USER_AGENT_AT = 80
const HEIGHT_BYTES = 4

/** Messages among which a peer has to greet. Bitcoin Core sends up to five (`wtxidrelay`, `sendaddrv2`, `sendtxrcncl`). */
const MAX_GREETING_MESSAGES = 16

/** Nothing that is sent before a greeting is over comes near to it, in bytes. */
const MAX_GREETING_BYTES = 4_096

/** Messages among which a `pong` has to be. */
const MAX_MESSAGES = 100

/** Of a `ping` and its `pong` (BIP 31). */
const NONCE_BYTES = 8

const VERACK: BitcoinMessage = { command: 'verack', payload: new Uint8Array(0) }

/** Bytes both ways, as `Channel` and `PooledChannel` have them. */
export interface PeerChannel {
  writeAll(data: Uint8Array, options?: OperationOptions): Promise<void>
  readExact(count: number, options?: OperationOptions): Promise<Uint8Array>
}

/** How to talk to a peer. */
export interface PeerOptions {
  readonly network: BitcoinNetwork
  /** From 0 up to, not including, 1. */
  readonly random: () => number
  /** Gives it up. The channel is closed then. */
  readonly signal?: AbortSignal | undefined
}

/** Who we say we are. */
export interface GreetOptions extends PeerOptions {
  readonly clock: Clock
  /** As in BIP 14, up to 256 bytes. */
  readonly userAgent?: string
  /** Blocks of the best chain we know, without the first; 0 if not given. */
  readonly height?: number
}

/** Who a peer says it is. */
export interface PeerGreeting {
  readonly protocolVersion: number
  /** One bit for each (Bitcoin Core, `protocol.h`, `ServiceFlags`). */
  readonly services: bigint
  /** As in BIP 14; characters that could do harm where it is shown are left out. */
  readonly userAgent: string
  /** Blocks of the best chain it knows, without the first. It may say anything, even less than 0. */
  readonly height: number
  /** What time it has, in s since 1970. */
  readonly timestamp: number
}

/**
 * Shakes hands with a Bitcoin node: `version` and `verack`, both ways (version 1 of the transport). It is asked not to announce
 * transactions (BIP 37, BIP 60).
 *
 * @throws BitcoinMessageError if it is no such node, is of another network, or does not greet; InvalidOptionError; what the
 * channel throws
 */
export async function greet(channel: PeerChannel, options: GreetOptions): Promise<PeerGreeting> {
  await send(channel, options, { command: 'version', payload: encodeVersion(options) })
  let greeting: PeerGreeting | undefined
  let isAccepted = false
  for (let count = 0; count < MAX_GREETING_MESSAGES; count++) {
    const { command, payload } = await receive(channel, options, MAX_GREETING_BYTES)
    if (command === 'verack') isAccepted = true
    else if (command === 'version' && greeting === undefined) {
      greeting = decodeVersion(payload)
      await send(channel, options, VERACK)
    }
    if (greeting !== undefined && isAccepted) return greeting
  }
  throw new BitcoinMessageError(`none of ${MAX_GREETING_MESSAGES} completes the greeting`)
}

/**
 * Makes sure that a peer that was greeted answers: a `ping`, until its `pong` (BIP 31). What comes before that is read and
 * dropped, but for pings, which are answered. After this a channel has nothing left that the node sent at once after greeting.
 *
 * @throws BitcoinMessageError; what the channel throws
 */
export async function pingPeer(channel: PeerChannel, options: PeerOptions): Promise<void> {
  const nonce = makeNonce(options.random)
  await send(channel, options, { command: 'ping', payload: nonce })
  for (let count = 0; count < MAX_MESSAGES; count++) {
    const message = await receive(channel, options, MAX_PAYLOAD_BYTES)
    if (message.command === 'ping')
      await send(channel, options, { command: 'pong', payload: nonceOf(message) })
    // One that answers an earlier ping may still be on its way.
    else if (message.command === 'pong' && isSame(nonceOf(message), nonce)) return
  }
  throw new BitcoinMessageError(`none of ${MAX_MESSAGES} answers the ping`)
}

function send(
  channel: PeerChannel,
  { network, signal }: PeerOptions,
  message: BitcoinMessage
): Promise<void> {
  return channel.writeAll(encodeMessage(network, message), { signal })
}

async function receive(
  channel: PeerChannel,
  { network, signal }: PeerOptions,
  maxBytes: number
): Promise<BitcoinMessage> {
  const header = decodeHeader(network, await channel.readExact(HEADER_BYTES, { signal }))
  const { command, size } = header
  if (size > maxBytes)
    throw new BitcoinMessageError(`${command} has ${size} bytes, at most ${maxBytes} are allowed here`)
  const payload = size === 0 ? new Uint8Array(0) : await channel.readExact(size, { signal })
  checkPayload(header, payload)
  return { command, payload }
}

function encodeVersion({ clock, random, userAgent = USER_AGENT, height = 0 }: GreetOptions): Uint8Array {
  const name = new TextEncoder().encode(userAgent)
  if (name.length > MAX_USER_AGENT_BYTES)
    throw new InvalidOptionError('userAgent', userAgent, `up to ${MAX_USER_AGENT_BYTES} bytes`)
  const size = encodeSize(name.length)
  const heightAt = USER_AGENT_AT + size.length + name.length
  // One more byte, 0, is whether transactions are to be announced. Our services and all addresses are left 0 as well: nobody
  // is to connect to us.
  const payload = new Uint8Array(heightAt + HEIGHT_BYTES + 1)
  const view = new DataView(payload.buffer)
  view.setInt32(0, PROTOCOL_VERSION, true)
  view.setBigInt64(TIME_AT, BigInt(Math.floor(clock.wallTime() / 1_000)), true)
  payload.set(makeNonce(random), NONCE_AT)
  payload.set(size, USER_AGENT_AT)
  payload.set(name, USER_AGENT_AT + size.length)
  view.setInt32(heightAt, height, true)
  return payload
}

/** @throws BitcoinMessageError */
function decodeVersion(payload: Uint8Array): PeerGreeting {
  if (payload.length < USER_AGENT_AT + 1 + HEIGHT_BYTES) throw tooShort(payload)
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
  const protocolVersion = view.getInt32(0, true)
  if (protocolVersion < MIN_PROTOCOL_VERSION)
    throw new BitcoinMessageError(
      `its protocol version is ${protocolVersion}, before ${MIN_PROTOCOL_VERSION}`
    )
  const [nameAt, nameBytes] = decodeSize(view, USER_AGENT_AT)
  if (nameBytes > MAX_USER_AGENT_BYTES)
    throw new BitcoinMessageError(`its user agent has more than ${MAX_USER_AGENT_BYTES} bytes`)
  // What comes after the height, if anything, is of no interest.
  const heightAt = nameAt + nameBytes
  if (payload.length < heightAt + HEIGHT_BYTES) throw tooShort(payload)
  return {
    protocolVersion,
    services: view.getBigUint64(SERVICES_AT, true),
    userAgent: new TextDecoder().decode(payload.subarray(nameAt, heightAt)).replace(UNSAFE, ''),
    height: view.getInt32(heightAt, true),
    timestamp: Number(view.getBigInt64(TIME_AT, true))
  }
}

function tooShort({ length }: Uint8Array): BitcoinMessageError {
  return new BitcoinMessageError(`${length} bytes are too short for a version`)
}

/** First byte of a size that has two more, and the least that is written so (Bitcoin Core, `serialize.h`, `CompactSize`). */
const TWO_BYTE_SIZE = 253

function encodeSize(size: number): Uint8Array {
  return size < TWO_BYTE_SIZE ? Uint8Array.of(size) : Uint8Array.of(TWO_BYTE_SIZE, size & 0xff, size >> 8)
}

/** Reads a size, and where what it is of begins. Longer forms are of nothing that is allowed here. */
function decodeSize(view: DataView, at: number): [begin: number, size: number] {
  const first = view.getUint8(at)
  if (first < TWO_BYTE_SIZE) return [at + 1, first]
  if (first > TWO_BYTE_SIZE) return [at, Infinity]
  const size = view.getUint16(at + 1, true)
  if (size < TWO_BYTE_SIZE) throw new BitcoinMessageError('the size of its user agent is longer than need be')
  return [at + 3, size]
}

/** Eight bytes by chance. */
function makeNonce(random: () => number): Uint8Array {
  return Uint8Array.from({ length: NONCE_BYTES }, () => Math.floor(random() * 256))
}

/** @throws BitcoinMessageError */
function nonceOf({ command, payload }: BitcoinMessage): Uint8Array {
  if (payload.length !== NONCE_BYTES)
    throw new BitcoinMessageError(`${command} has ${payload.length} bytes instead of ${NONCE_BYTES}`)
  return payload
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return left.every((byte, at) => byte === right[at])
}
