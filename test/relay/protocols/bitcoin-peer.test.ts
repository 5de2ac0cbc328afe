import type { TLSSocket } from 'node:tls'
import { beforeAll, describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/core/index.ts'
import { SecureChannelPool } from '../../../src/relay/pool/secure-channel-pool.ts'
import {
  type BitcoinMessage,
  decodeHeader,
  encodeMessage,
  HEADER_BYTES
} from '../../../src/relay/protocols/bitcoin-message.ts'
import { type GreetOptions, greet, pingPeer } from '../../../src/relay/protocols/bitcoin-peer.ts'
import { Authority, type Identity } from '../support/certificates.ts'
import { TestServer } from '../support/tls-server.ts'

let authority: Authority
let identity: Identity

beforeAll(async () => {
  authority = await Authority.create()
  identity = await authority.issue({ addresses: ['127.0.0.1'] })
})

const NONE = new Uint8Array(0)
const VERACK: BitcoinMessage = { command: 'verack', payload: NONE }
const clock = new ManualClock()
const options: GreetOptions = { network: 'regtest', random: () => 0.5, clock }
const OUR_NONCE = new Uint8Array(8).fill(128)

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'))

// As on https://en.bitcoin.it/wiki/Protocol_documentation, of Bitcoin Core 0.7.2.
const VERSION = hex(`
  62ea0000 0100000000000000 11b2d05000000000
  0100000000000000 00000000000000000000ffff00000000 0000
  0100000000000000 00000000000000000000ffff00000000 0000
  3b2eb35d8ce61765 0f 2f5361746f7368693a302e372e322f c03e0300`)
const VERSION_CHECKSUM = '3b648d5a'

/** A version as one would be with this user agent, or whatever is in its place. */
function versionWith(userAgent: Uint8Array): Uint8Array {
  return Uint8Array.from([...VERSION.subarray(0, 80), ...userAgent, ...VERSION.subarray(96)])
}

/** The same, with other bytes somewhere. */
function versionChanged(at: number, bytes: Uint8Array): Uint8Array {
  const changed = VERSION.slice()
  changed.set(bytes, at)
  return changed
}

/** What a peer does with a message. */
type Behaviour = (peer: Peer, message: BitcoinMessage) => void

/** The other end of a connection, which does what it is told with each message. */
class Peer {
  readonly socket: TLSSocket
  readonly heard: BitcoinMessage[] = []
  readonly #behaviour: Behaviour
  #bytes = Buffer.alloc(0)

  constructor(socket: TLSSocket, behaviour: Behaviour) {
    this.socket = socket
    this.#behaviour = behaviour
    socket.on('data', chunk => this.#onData(chunk))
  }

  get commands(): readonly string[] {
    return this.heard.map(({ command }) => command)
  }

  say(command: string, payload: Uint8Array = NONE): void {
    this.socket.write(encodeMessage('regtest', { command, payload }))
  }

  #onData(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    while (this.#bytes.length >= HEADER_BYTES) {
      const { command, size } = decodeHeader('regtest', this.#bytes)
      if (this.#bytes.length < HEADER_BYTES + size) return
      const message = {
        command,
        payload: Uint8Array.from(this.#bytes.subarray(HEADER_BYTES, HEADER_BYTES + size))
      }
      this.#bytes = this.#bytes.subarray(HEADER_BYTES + size)
      this.heard.push(message)
      this.#behaviour(this, message)
    }
  }
}

/** Does what a node does that is greeted, or pinged. */
function polite(peer: Peer, { command, payload }: BitcoinMessage): void {
  if (command === 'version') {
    peer.say('version', VERSION)
    for (const feature of ['wtxidrelay', 'sendaddrv2', 'sendtxrcncl']) peer.say(feature)
    peer.say('verack')
  } else if (command === 'ping') peer.say('pong', payload)
}

/** A channel to a node that does what it is told; time stands still for it. */
async function connect(behaviour: Behaviour) {
  const stack = new AsyncDisposableStack()
  const peers: Peer[] = []
  const server = stack.use(
    await TestServer.start(identity, socket => void peers.push(new Peer(socket, behaviour)))
  )
  const pool = new SecureChannelPool(
    server.endpoint,
    { minIdle: 0, tls: { roots: [authority.certificate] } },
    { clock: new ManualClock() }
  )
  stack.defer(() => pool.close())
  const channel = await pool.getConnection()
  return { channel, peers, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

/** Resolves when it is so; for what comes of the other end's doing. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(resolve => setTimeout(resolve, 2))
}

describe('a greeting', () => {
  test('tells who the peer is', async () => {
    // Or the bytes above are not those of the page.
    expect(
      Buffer.from(encodeMessage('regtest', { command: 'version', payload: VERSION })).toString('hex', 20, 24)
    ).toBe(VERSION_CHECKSUM)
    await using made = await connect(polite)
    expect(await greet(made.channel, options)).toEqual({
      protocolVersion: 60_002,
      services: 1n,
      userAgent: '/Satoshi:0.7.2/',
      height: 212_672,
      timestamp: 1_355_854_353
    })
    const [peer] = made.peers
    await until(() => peer!.heard.length === 2)
    expect(peer!.heard[1]).toEqual(VERACK)
  })

  test('says who we are', async () => {
    await using made = await connect(polite)
    await greet(made.channel, { ...options, userAgent: '/me:1/', height: 0x01_02_03_04 })
    // 70016; no services; the beginning of 2026; two addresses; nonce; name; height; nothing to announce.
    expect(made.peers[0]!.heard[0]).toEqual({
      command: 'version',
      payload: hex(`
        80110100 0000000000000000 00b9556900000000
        0000000000000000 00000000000000000000000000000000 0000
        0000000000000000 00000000000000000000000000000000 0000
        8080808080808080 06 2f6d653a312f 04030201 00`)
    })
  })

  test('has a name and a height of its own if none is given', async () => {
    await using made = await connect(polite)
    await greet(made.channel, options)
    const { payload } = made.peers[0]!.heard[0]!
    expect(Buffer.from(payload.subarray(81, 101)).toString()).toBe('/bitswap-protection/')
    expect([...payload.subarray(101)]).toEqual([0, 0, 0, 0, 0])
  })

  test('has another nonce each time', async () => {
    await using made = await connect(polite)
    let next = 0
    await greet(made.channel, { ...options, random: () => next++ / 8 })
    expect([...made.peers[0]!.heard[0]!.payload.subarray(72, 80)]).toEqual([
      0, 32, 64, 96, 128, 160, 192, 224
    ])
  })

  test('may come in any order, and among others', async () => {
    await using made = await connect((peer, { command }) => {
      if (command !== 'version') return
      peer.say('verack')
      peer.say('sendaddrv2')
      peer.say('unheard.of', new Uint8Array(4_000))
      peer.say('version', VERSION)
    })
    expect(await greet(made.channel, options)).toMatchObject({ height: 212_672 })
  })

  test('counts the first version only, and is answered once', async () => {
    await using made = await connect((peer, message) => {
      if (message.command === 'version') peer.say('version', versionChanged(96, hex('ffffffff')))
      polite(peer, message)
    })
    expect(await greet(made.channel, options)).toMatchObject({ height: -1 })
    await pingPeer(made.channel, options)
    expect(made.peers[0]!.commands).toEqual(['version', 'verack', 'ping'])
  })

  test.for<[string, Uint8Array, string]>([
    ['none', Uint8Array.of(0), ''],
    ['the longest', Uint8Array.from([253, 0, 1, ...new Uint8Array(256).fill(0x61)]), 'a'.repeat(256)],
    ['253 bytes', Uint8Array.from([253, 253, 0, ...new Uint8Array(253).fill(0x61)]), 'a'.repeat(253)],
    ['252 bytes', Uint8Array.from([252, ...new Uint8Array(252).fill(0x61)]), 'a'.repeat(252)],
    // "a", escape, quote, line feed, "<", a letter with two bytes, "b".
    ['a harmful one', hex('08 61 1b 22 0a 3c c3a4 62'), 'ab']
  ])('may have any user agent: %s', async ([, bytes, userAgent]) => {
    await using made = await connect((peer, { command }) => {
      if (command !== 'version') return
      peer.say('version', versionWith(bytes))
      peer.say('verack')
    })
    expect(await greet(made.channel, options)).toMatchObject({ userAgent, height: 212_672 })
  })

  test('may end with more than is known of it', async () => {
    await using made = await connect((peer, { command }) => {
      if (command !== 'version') return
      peer.say('version', Uint8Array.from([...VERSION, 1, 2, 3]))
      peer.say('verack')
    })
    expect(await greet(made.channel, options)).toMatchObject({ height: 212_672 })
  })

  test('tells large numbers, and negative ones, as they are', async () => {
    await using made = await connect((peer, { command }) => {
      if (command !== 'version') return
      const version = versionChanged(4, hex('090c000000000080'))
      version.set(hex('ffffffff'), 96)
      peer.say('version', version)
      peer.say('verack')
    })
    expect(await greet(made.channel, options)).toMatchObject({
      services: 0x80_00_00_00_00_00_0c_09n,
      height: -1
    })
  })

  test('may be of the oldest version there is', async () => {
    await using made = await connect((peer, { command }) => {
      if (command !== 'version') return
      peer.say('version', versionChanged(0, hex('387c0000')))
      peer.say('verack')
    })
    expect(await greet(made.channel, options)).toMatchObject({ protocolVersion: 31_800 })
  })

  test.for<[number, number[]]>([
    [252, [252]],
    [253, [253, 253, 0]],
    [256, [253, 0, 1]]
  ])('of ours may have a name of %d bytes', async ([length, size]) => {
    await using made = await connect(polite)
    await greet(made.channel, { ...options, userAgent: 'x'.repeat(length), height: 7 })
    const expected = [...size, ...new Uint8Array(length).fill(0x78), 7, 0, 0, 0, 0]
    expect([...made.peers[0]!.heard[0]!.payload.subarray(80)]).toEqual(expected)
  })

  test('of ours has no longer name', async () => {
    await using made = await connect(polite)
    await expect(greet(made.channel, { ...options, userAgent: 'x'.repeat(257) })).rejects.toMatchObject({
      name: 'InvalidOptionError'
    })
  })

  test.for([0, HEADER_BYTES, HEADER_BYTES + 10])('can be given up after %d bytes', async bytes => {
    const version = encodeMessage('regtest', { command: 'version', payload: VERSION })
    await using made = await connect(peer => peer.socket.write(version.subarray(0, bytes)))
    const giveUp = new AbortController()
    const given = greet(made.channel, { ...options, signal: giveUp.signal })
    await until(() => made.peers[0]?.heard.length === 1)
    giveUp.abort(new Error('enough'))
    await expect(given).rejects.toThrow('enough')
  })

  test('is not begun if it is given up already', async () => {
    await using made = await connect(polite)
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(greet(made.channel, { ...options, signal })).rejects.toThrow('enough')
    await pingPeer(made.channel, options)
    expect(made.peers[0]!.commands).toEqual(['ping'])
  })
})

describe('what is no greeting', () => {
  const saying =
    (...payloads: Uint8Array[]) =>
    (peer: Peer): void => {
      for (const payload of payloads) peer.say('version', payload)
    }

  test.for<[string, Uint8Array]>([
    ['84 bytes are too short', VERSION.subarray(0, 84)],
    ['0 bytes are too short', NONE],
    ['99 bytes are too short', VERSION.subarray(0, 99)],
    ['too short', versionWith(hex('fd0001'))],
    ['more than 256 bytes', versionWith(Uint8Array.from([253, 1, 1, ...new Uint8Array(257)]))],
    ['more than 256 bytes', versionWith(hex('fe00000001'))],
    ['more than 256 bytes', versionWith(hex('ffffffffffffffffff'))],
    ['longer than need be', versionWith(hex('fdfc00'))],
    ['31799, before 31800', versionChanged(0, hex('377c0000'))],
    ['-1, before 31800', versionChanged(0, hex('ffffffff'))],
    ['at most 4096 are allowed', new Uint8Array(4_097)]
  ])('is told: %s', async ([detail, payload]) => {
    await using made = await connect(saying(payload))
    await expect(greet(made.channel, options)).rejects.toMatchObject({
      name: 'BitcoinMessageError',
      message: expect.stringContaining(detail)
    })
  })

  test('is of another network', async () => {
    const ours = encodeMessage('mainnet', { command: 'version', payload: VERSION })
    await using made = await connect(peer => peer.socket.write(ours))
    await expect(greet(made.channel, options)).rejects.toThrow('another network than regtest')
  })

  test('has been changed on its way', async () => {
    const bytes = encodeMessage('regtest', { command: 'version', payload: VERSION })
    bytes[HEADER_BYTES + 50]! ^= 1
    await using made = await connect(peer => peer.socket.write(bytes))
    await expect(greet(made.channel, options)).rejects.toThrow('checksum')
  })

  test.for([
    ['version', 'wtxidrelay', 15],
    ['verack', 'wtxidrelay', 15]
  ] as const)('never comes to its end: %s, and many others', async ([first, other, times]) => {
    await using made = await connect((peer, { command }) => {
      if (command !== 'version') return
      peer.say(first, first === 'version' ? VERSION : NONE)
      for (let time = 0; time < times; time++) peer.say(other)
    })
    await expect(greet(made.channel, options)).rejects.toMatchObject({
      name: 'BitcoinMessageError',
      message: expect.stringContaining('16')
    })
  })

  test('ends in the middle', async () => {
    await using made = await connect(peer => {
      peer.socket.end(encodeMessage('regtest', { command: 'version', payload: VERSION }).subarray(0, 60))
    })
    await expect(greet(made.channel, options)).rejects.toMatchObject({ name: 'ChannelClosedError' })
  })
})

describe('a ping', () => {
  test('is answered', async () => {
    await using made = await connect(polite)
    await pingPeer(made.channel, options)
    expect(made.peers[0]!.heard).toEqual([{ command: 'ping', payload: OUR_NONCE }])
  })

  test('is answered among others; pings of the peer are answered, too', async () => {
    await using made = await connect((peer, { command, payload }) => {
      if (command !== 'ping') return
      peer.say('sendcmpct', hex('000200000000000000'))
      peer.say('ping', hex('0102030405060708'))
      peer.say('pong', hex('1111111111111111'))
      peer.say('inv', new Uint8Array(100_000))
      peer.say('pong', payload)
    })
    await pingPeer(made.channel, options)
    const [peer] = made.peers
    await until(() => peer!.heard.length === 2)
    expect(peer!.heard[1]).toEqual({ command: 'pong', payload: hex('0102030405060708') })
    // Nothing is left unread, so that the next one who has the channel can use it.
    made.channel.release()
  })

  test.for(['ping', 'pong'])('has a nonce of eight bytes, and no other: %s', async command => {
    for (const length of [0, 7, 9]) {
      await using made = await connect(peer => peer.say(command, new Uint8Array(length)))
      await expect(pingPeer(made.channel, options)).rejects.toMatchObject({
        name: 'BitcoinMessageError',
        message: expect.stringContaining(`${command} has ${length} bytes`)
      })
    }
  })

  test('is not answered by any number of others', async () => {
    await using made = await connect(peer => {
      for (let time = 0; time < 100; time++) peer.say('pong', hex('1111111111111111'))
    })
    await expect(pingPeer(made.channel, options)).rejects.toMatchObject({
      name: 'BitcoinMessageError',
      message: expect.stringContaining('100')
    })
  })

  test('may be answered by the last one that is looked at', async () => {
    await using made = await connect((peer, { payload }) => {
      for (let time = 0; time < 99; time++) peer.say('inv')
      peer.say('pong', payload)
    })
    await pingPeer(made.channel, options)
  })
})

describe('a pool whose probe is a greeting', () => {
  /** A pool of channels to nodes each of which does what it is told, the first connection with the first of them. */
  async function pooled(...behaviours: Behaviour[]) {
    const stack = new AsyncDisposableStack()
    const peers: Peer[] = []
    const server = stack.use(
      await TestServer.start(identity, socket => {
        peers.push(new Peer(socket, behaviours[peers.length] ?? polite))
      })
    )
    const pool = SecureChannelPool.builder(server.endpoint)
      .withMinIdle(0)
      .withTls({ roots: [authority.certificate] })
      .withProbe(async channel => {
        await greet(channel, options)
        await pingPeer(channel, options)
      })
      .build({ clock: new ManualClock() })
    stack.defer(() => pool.close())
    return { pool, peers, [Symbol.asyncDispose]: () => stack.disposeAsync() }
  }

  test('hands out channels whose peer has greeted, and has nothing left to say', async () => {
    await using made = await pooled((peer, message) => {
      polite(peer, message)
      // What Bitcoin Core sends once it is greeted.
      if (message.command !== 'verack') return
      peer.say('sendcmpct', hex('000200000000000000'))
      peer.say('ping', hex('0102030405060708'))
      peer.say('feefilter', hex('e803000000000000'))
    })
    {
      await using channel = await made.pool.getConnection()
      await pingPeer(channel, options)
    }
    {
      await using channel = await made.pool.getConnection()
      await pingPeer(channel, options)
    }
    expect(made.peers).toHaveLength(1)
    expect(made.peers[0]!.commands).toEqual(['version', 'verack', 'ping', 'pong', 'ping', 'ping'])
  })

  test('hands out no others', async () => {
    await using made = await pooled(
      peer => peer.say('version', VERSION.subarray(0, 40)),
      peer => peer.socket.write(encodeMessage('mainnet', VERACK)),
      peer => peer.socket.end()
    )
    const { pool, peers } = made
    for (const name of ['BitcoinMessageError', 'BitcoinMessageError', 'ChannelClosedError']) {
      await expect(pool.getConnection()).rejects.toMatchObject({ name })
      expect(pool.getStatus()).toMatchObject({ activeConnections: 0, idleConnections: 0 })
    }
    await using channel = await pool.getConnection()
    await pingPeer(channel, options)
    expect(peers).toHaveLength(4)
  })
})
