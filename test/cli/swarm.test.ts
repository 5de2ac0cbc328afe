import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { withBitswap } from '@helia/bitswap'
import { type HeliaWithLibp2p, withLibp2pLight } from '@helia/libp2p'
import { unixfs } from '@helia/unixfs'
import { type Identify, identify } from '@libp2p/identify'
import type { Connection } from '@libp2p/interface'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { makeBlocks, makeBytes } from '../../src/cli/swarm/blocks.ts'
import { Swarm } from '../../src/cli/swarm/swarm.ts'
import { SwarmPeer } from '../../src/cli/swarm/swarm-peer.ts'

// There may be much else to do for the machine, and processes take their time to start.
vi.setConfig({ testTimeout: 20_000, hookTimeout: 20_000 })

const BITSWAP = '/ipfs/bitswap/1.2.0'

/** How long a peer may take that does nothing wrong. */
const PATIENCE_MS = 10_000
/** After this long without an answer there is none. */
const SILENCE_MS = 600

const DELAY_MS = 60
const ANSWER_DELAY_MS = 300

type Client = HeliaWithLibp2p<{ identify: Identify; ping: Ping }>

/** A stock Helia node that knows nobody. */
async function startClient(): Promise<Client> {
  const libp2p = {
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping() }
  }
  const client = withBitswap(withLibp2pLight(createHeliaLight(), libp2p)) as unknown as Client
  onTestFinished(async () => {
    await client.stop()
  })
  await client.start()
  return client
}

/** Connects, and waits until the client's Bitswap knows the peer. */
async function connect(client: Client, peer: SwarmPeer): Promise<Connection> {
  const [connection] = await Promise.all([
    client.libp2p.dial(multiaddr(peer.multiaddr), soon()),
    once(client.libp2p as unknown as EventTarget, 'peer:identify', soon())
  ])
  return connection
}

function soon(limitMs = PATIENCE_MS): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(limitMs) }
}

async function fetchBlock(client: Client, cid: CID, options = soon()): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of client.blockstore.get(cid, options)) parts.push(part)
  return Buffer.concat(parts)
}

/** Adds a block nobody has asked for: a Bitswap peer answers the same question once only. */
let nextSeed = 1_000
async function addBlock(peer: SwarmPeer): Promise<CID> {
  const request = { seed: nextSeed++, count: 1, sizeBytes: 500 }
  await peer.addBlocks(request)
  const [block] = await makeBlocks(request)
  return block!.cid
}

/** Also false for one that has ended and only waits for its parent to take notice. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  const status = `/proc/${pid}/stat`
  return !existsSync(status) || !/\) Z /.test(readFileSync(status, 'utf8'))
}

async function untilChildren(count: number): Promise<void> {
  const children = () => process.getActiveResourcesInfo().filter(resource => resource === 'ProcessWrap')
  await vi.waitUntil(() => children().length === count, { timeout: PATIENCE_MS })
}

describe('blocks', () => {
  test('are the same each time, and others with another seed', async () => {
    const blocks = await makeBlocks({ seed: 7, count: 3, sizeBytes: 1_001 })
    expect(await makeBlocks({ seed: 7, count: 3, sizeBytes: 1_001 })).toEqual(blocks)
    expect(blocks.map(({ bytes }) => bytes.length)).toEqual([1_001, 1_001, 1_001])
    const others = await makeBlocks({ seed: 8, count: 3, sizeBytes: 1_001 })
    expect(new Set([...blocks, ...others].map(({ cid }) => cid.toString())).size).toBe(6)
  })

  test('are the first ones of more', async () => {
    const blocks = await makeBlocks({ seed: 7, count: 4, sizeBytes: 64 })
    expect(await makeBlocks({ seed: 7, count: 2, sizeBytes: 64 })).toEqual(blocks.slice(0, 2))
  })

  test('have names that do not change from one version to the next', async () => {
    const [block] = await makeBlocks({ seed: 1, count: 1, sizeBytes: 16 })
    expect(block!.cid.toString()).toBe('bafkreicw4x4jkcnwfalxkoxqcbz3gznl4biqdfa6ywzqtsjz75sxxdsylu')
  })
})

describe('a swarm', () => {
  let swarm: Swarm

  beforeAll(async () => {
    swarm = await Swarm.start([
      { name: 'good' },
      { name: 'mute', fault: 'mute' },
      { name: 'reset', fault: 'reset' },
      { name: 'reset-once', fault: 'reset-once' },
      { name: 'far', delayMs: DELAY_MS },
      { name: 'slow', answerDelayMs: ANSWER_DELAY_MS }
    ])
  })

  afterAll(async () => {
    await swarm[Symbol.asyncDispose]()
  })

  test('has peers with names, that are reached on this machine only', () => {
    expect(swarm.peers.map(({ name }) => name)).toEqual([
      'good',
      'mute',
      'reset',
      'reset-once',
      'far',
      'slow'
    ])
    expect(swarm.peer('mute')).toBe(swarm.peers[1])
    expect(() => swarm.peer('nobody')).toThrow('There is no peer nobody')
    for (const { multiaddr, peerId } of swarm.peers) {
      expect(multiaddr).toMatch(new RegExp(`^/ip4/127\\.0\\.0\\.1/tcp/[1-9]\\d*/p2p/${peerId}$`))
    }
    expect(new Set(swarm.peers.map(({ pid }) => pid)).add(process.pid).size).toBe(7)
  })

  test('a good peer serves the blocks the parent knows', async () => {
    const peer = swarm.peer('good')
    const request = { seed: 1, count: 20, sizeBytes: 20_000 }
    await peer.addBlocks(request)
    const client = await startClient()
    await connect(client, peer)
    const before = await peer.stats()
    for (const { cid, bytes } of await makeBlocks(request)) {
      expect(bytes).toHaveLength(20_000)
      expect((await fetchBlock(client, cid)).equals(bytes)).toBe(true)
    }
    const { wants, blocksSent, inboundStreams, connections } = await peer.stats()
    expect(wants - before.wants).toBe(20)
    expect(blocksSent - before.blocksSent).toBe(20)
    expect(inboundStreams - before.inboundStreams).toBe(20)
    expect(connections).toBe(1)
  })

  test('a block that is wanted already is sent when it comes', async () => {
    const peer = swarm.peer('good')
    const client = await startClient()
    await connect(client, peer)
    const { wants } = await peer.stats()
    const request = { seed: 2, count: 1, sizeBytes: 300 }
    const [block] = await makeBlocks(request)
    const fetched = fetchBlock(client, block!.cid)
    await vi.waitUntil(async () => (await peer.stats()).wants > wants, { timeout: PATIENCE_MS })
    await peer.addBlocks(request)
    expect((await fetched).equals(block!.bytes)).toBe(true)
  })

  test('a good peer serves files, of leaves as large as asked for', async () => {
    const peer = swarm.peer('good')
    const request = { seed: 3, sizeBytes: 250_000, chunkBytes: 20_000 }
    const root = await peer.addFile(request)
    const client = await startClient()
    await connect(client, peer)
    const before = await peer.stats()
    const content = await buffer(unixfs(client).cat(CID.parse(root), soon()))
    expect(content.equals(makeBytes(request))).toBe(true)
    // The root and 13 leaves.
    expect((await peer.stats()).blocksSent - before.blocksSent).toBe(14)
    expect(await peer.addFile({ seed: 3, sizeBytes: 250_000 })).not.toBe(root)
  })

  test('many clients of one process may come at once', async () => {
    const clients = await Promise.all(Array.from({ length: 12 }, startClient))
    await Promise.all(clients.map(client => connect(client, swarm.peer('good'))))
    expect((await swarm.peer('good').stats()).connections).toBeGreaterThanOrEqual(12)
  })

  test('a mute peer takes wants and never answers, until it is cured', async () => {
    const peer = swarm.peer('mute')
    const client = await startClient()
    const connection = await connect(client, peer)
    const cid = await addBlock(peer)
    await expect(fetchBlock(client, cid, soon(SILENCE_MS))).rejects.toThrow()
    expect(await peer.stats()).toMatchObject({ wants: 1, blocksSent: 0, inboundStreams: 1, connections: 1 })
    await client.libp2p.services.ping.ping(connection.remotePeer, soon())
    const { protocols } = await client.libp2p.services.identify.identify(connection, soon())
    expect(protocols).toContain(BITSWAP)
    await peer.setFault('none')
    expect(await fetchBlock(client, await addBlock(peer))).toHaveLength(500)
  })

  test('a reset peer aborts each Bitswap stream, and only those', async () => {
    const peer = swarm.peer('reset')
    const client = await startClient()
    const connection = await connect(client, peer)
    for (const _ of [1, 2]) await expectReset(connection)
    await expect(fetchBlock(client, await addBlock(peer), soon(SILENCE_MS))).rejects.toThrow()
    expect(await peer.stats()).toMatchObject({ wants: 0, blocksSent: 0, inboundStreams: 3 })
    await client.libp2p.services.ping.ping(connection.remotePeer, soon())
  })

  test('a reset-once peer aborts one stream', async () => {
    const peer = swarm.peer('reset-once')
    const client = await startClient()
    const connection = await connect(client, peer)
    await expectReset(connection)
    expect(await fetchBlock(client, await addBlock(peer))).toHaveLength(500)
  })

  test('a far peer takes twice the delay for a ping, and there is no way round', async () => {
    const peer = swarm.peer('far')
    const client = await startClient()
    const connection = await connect(client, peer)
    const { remotePeer } = connection
    // Timers count whole milliseconds.
    expect(await client.libp2p.services.ping.ping(remotePeer, soon())).toBeGreaterThan(2 * DELAY_MS - 2)
    const known = await client.libp2p.peerStore.get(remotePeer)
    const [address, ...others] = known.addresses.map(({ multiaddr }) => `${multiaddr}/p2p/${remotePeer}`)
    expect(address).toBe(peer.multiaddr)
    expect(others).toEqual([])
    expect(await fetchBlock(client, await addBlock(peer))).toHaveLength(500)
  })

  test('a slow peer thinks before it answers, but not about a ping', async () => {
    const peer = swarm.peer('slow')
    const client = await startClient()
    const { remotePeer } = await connect(client, peer)
    const cid = await addBlock(peer)
    const startedAt = performance.now()
    const fetched = fetchBlock(client, cid)
    expect(await client.libp2p.services.ping.ping(remotePeer, soon())).toBeLessThan(ANSWER_DELAY_MS)
    expect(await fetched).toHaveLength(500)
    expect(performance.now() - startedAt).toBeGreaterThan(ANSWER_DELAY_MS - 2)
  })

  test('a frozen peer is connected and silent, until it is thawed', async () => {
    const peer = swarm.peer('good')
    const client = await startClient()
    const connection = await connect(client, peer)
    const { ping } = client.libp2p.services
    peer.freeze()
    await expect(ping.ping(connection.remotePeer, soon(SILENCE_MS))).rejects.toThrow()
    expect(connection.status).toBe('open')
    peer.thaw()
    await ping.ping(connection.remotePeer, soon())
    expect(await fetchBlock(client, await addBlock(peer))).toHaveLength(500)
    expect(client.libp2p.getConnections()).toEqual([connection])
  })

  test('a killed peer is gone, and comes back as the same, with all it had', async () => {
    const peer = swarm.peer('slow')
    const { pid, multiaddr, peerId } = peer
    const cid = await addBlock(peer)
    const client = await startClient()
    await connect(client, peer)
    const disconnected = once(client.libp2p as unknown as EventTarget, 'peer:disconnect', soon())
    peer.freeze()
    await peer.kill()
    expect(isRunning(pid)).toBe(false)
    await disconnected
    await expect(peer.stats()).rejects.toThrow('Peer slow: cannot stats: its process has ended')
    expect(() => peer.freeze()).toThrow('its process has ended')
    await peer.restart()
    expect(peer).toMatchObject({ multiaddr, peerId })
    expect(peer.pid).not.toBe(pid)
    await connect(client, peer)
    expect(await fetchBlock(client, cid)).toHaveLength(500)
  })
})

async function expectReset(connection: Connection): Promise<void> {
  const stream = await connection.newStream(BITSWAP, soon())
  await vi.waitUntil(() => stream.status === 'reset', { timeout: PATIENCE_MS })
}

describe('the end of a swarm', () => {
  test('no process is left, in whatever state it was', async () => {
    const listeners = process.listenerCount('SIGINT')
    const swarm = await Swarm.start([{ name: 'runs' }, { name: 'is frozen' }, { name: 'was killed' }])
    const pids = swarm.peers.map(({ pid }) => pid)
    expect(pids.every(isRunning)).toBe(true)
    swarm.peer('is frozen').freeze()
    await swarm.peer('was killed').kill()
    await swarm[Symbol.asyncDispose]()
    expect(pids.some(isRunning)).toBe(false)
    await swarm[Symbol.asyncDispose]()
    expect(process.listenerCount('SIGINT')).toBe(listeners)
  })

  test('a peer that cannot start says why', async () => {
    const swarm = await Swarm.start([{ name: 'homeless' }])
    onTestFinished(() => swarm[Symbol.asyncDispose]())
    const peer = swarm.peer('homeless')
    await peer.kill()
    const squatter = createServer().listen(
      Number(multiaddr(peer.multiaddr).getComponents()[1]!.value),
      '127.0.0.1'
    )
    onTestFinished(() => void squatter.close())
    await once(squatter, 'listening')
    await expect(peer.restart()).rejects.toThrow(/Peer homeless: .*EADDRINUSE/s)
  })

  test('a peer whose process ends says with what words', async () => {
    vi.stubEnv('NODE_OPTIONS', '--no-such-option')
    onTestFinished(() => void vi.unstubAllEnvs())
    await expect(Swarm.start([{ name: 'odd' }])).rejects.toThrow(
      /^Peer odd: ended .*exit code 9.*no-such-option/s
    )
  })

  test('a start that is given up leaves nothing behind', async () => {
    await untilChildren(0)
    const controller = new AbortController()
    const started = Swarm.start([{ name: 'a' }, { name: 'b' }], controller)
    await untilChildren(2)
    controller.abort(new Error('given up'))
    await expect(started).rejects.toThrow('given up')
    await untilChildren(0)
    await expect(Swarm.start([{ name: 'a' }], controller)).rejects.toThrow('given up')
    await untilChildren(0)
  })

  test('a start that fails for one peer leaves none behind', async () => {
    await untilChildren(0)
    const start = vi.spyOn(SwarmPeer.prototype, 'restart').mockRejectedValueOnce(new Error('out of luck'))
    onTestFinished(() => start.mockRestore())
    await expect(Swarm.start([{ name: 'a' }, { name: 'b' }])).rejects.toThrow('out of luck')
    expect(start).toHaveBeenCalledTimes(2)
    await untilChildren(0)
  })

  const swarmUrl = JSON.stringify(new URL('../../src/cli/swarm/swarm.ts', import.meta.url))

  /** Runs a parent of one peer, which tells the peer's process id and then does `last`. */
  async function startParent(last: string) {
    const program = `import { Swarm } from ${swarmUrl}
      const { peers: [peer] } = await Swarm.start([{ name: 'child' }])
      process.stdout.write(String(peer.pid))
      ${last}`
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', program])
    onTestFinished(() => void parent.kill('SIGKILL'))
    const [pid] = await once(parent.stdout, 'data', soon())
    return { parent, pid: Number(pid) }
  }

  test.for([
    ['throws', 'peer.freeze(); throw new Error("on purpose")', undefined, [1, null]],
    ['is interrupted', 'peer.freeze()', 'SIGINT', [null, 'SIGINT']],
    [
      'handles that',
      'process.on("SIGINT", async () => process.exit((await peer.stats()).wants + 7))',
      'SIGINT',
      [7, null]
    ],
    ['is terminated', 'peer.freeze()', 'SIGTERM', [null, 'SIGTERM']],
    ['is killed, and the peer is not frozen,', '', 'SIGKILL', [null, 'SIGKILL']]
  ] as const)('when the parent %s no peer is left', async ([, last, signal, ending]) => {
    const { parent, pid } = await startParent(last)
    if (signal !== undefined) parent.kill(signal)
    expect(await once(parent, 'exit', soon())).toEqual(ending)
    await vi.waitUntil(() => !isRunning(pid), { timeout: PATIENCE_MS })
  })
})
