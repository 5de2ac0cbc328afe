import { createHash } from 'node:crypto'
import { unixfs } from '@helia/unixfs'
import { describe, expect, test } from 'vitest'
import type { BitswapProtectionInit } from '../../src/bitswap/index.ts'
import { makeBytes } from '../../src/cli/swarm/blocks.ts'
import type { Mode } from '../../src/core/index.ts'
import { FakeMetrics } from '../bitswap/support/metrics.ts'
import { Client } from '../integration/support/client.ts'
import { startKuboDaemons } from './support/kubo-daemon.ts'
import { expectNoBlame } from './support/no-blame.ts'
import { watchedProtection } from './support/watched-protection.ts'

const FILE_BYTES = 64 * 2 ** 20
const bytes = makeBytes({ seed: 3, sizeBytes: FILE_BYTES })
const whole = { sha256: createHash('sha256').update(bytes).digest('base64'), sizeBytes: FILE_BYTES }

/** The longest the file may take; it takes 2 to 4 s. */
const FILE_LIMIT_MS = 15_000

const modes: readonly Mode[] = ['enforce', 'observe']

describe.each(modes)('in mode %s', mode => {
  test.each([
    { name: 'protectBitswap', isDropIn: true },
    { name: 'stock Helia', isDropIn: false }
  ])('a file of ours is read by a daemon, and the guard finds nothing in it: $name', async ({ isDropIn }) => {
    await using daemons = await startKuboDaemons(1)
    const [daemon] = daemons.all
    await using server = await Server.start(isDropIn, { mode })
    await daemon!.connect(server.multiaddr)
    expect(await daemon!.getFile(server.cid, FILE_LIMIT_MS)).toEqual(whole)
    expect(server.refusals).toEqual([])
    expectNoBlame(server.client, daemon!)
  })
})

describe('with a guard that allows next to nothing', () => {
  const inbound = { wantsPerS: 1, streamsPerS: 1 }

  test('a daemon is refused in mode enforce', async () => {
    await using daemons = await startKuboDaemons(1)
    const [daemon] = daemons.all
    await using server = await Server.start(true, { mode: 'enforce', inbound })
    await daemon!.connect(server.multiaddr)
    await expect(daemon!.getFile(server.cid, 2_000)).rejects.toThrow('timeout')
    expect(server.refusals).not.toEqual([])
    expectNoBlame(server.client, daemon!)
  })

  test('in mode observe that is only counted', async () => {
    await using daemons = await startKuboDaemons(1)
    const [daemon] = daemons.all
    await using server = await Server.start(true, { mode: 'observe', inbound })
    await daemon!.connect(server.multiaddr)
    expect(await daemon!.getFile(server.cid, FILE_LIMIT_MS)).toEqual(whole)
    expect(server.refusals).not.toEqual([])
    expectNoBlame(server.client, daemon!)
  })
})

/** A node that has the file, and counts what it refuses. */
class Server implements AsyncDisposable {
  readonly client: Client
  readonly cid: string
  readonly #metrics: FakeMetrics

  static async start(isDropIn: boolean, protection: BitswapProtectionInit): Promise<Server> {
    const metrics = new FakeMetrics()
    const client = await Client.start({
      isDropIn,
      after: { protection: watchedProtection(protection, metrics.component) },
      libp2p: { addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] } }
    })
    const cid = await unixfs(client.helia).addBytes(bytes)
    return new Server(client, cid.toString(), metrics)
  }

  private constructor(client: Client, cid: string, metrics: FakeMetrics) {
    this.client = client
    this.cid = cid
    this.#metrics = metrics
  }

  get multiaddr(): string {
    return this.client.libp2p.getMultiaddrs()[0]!.toString()
  }

  /** Streams that were too much, each with what of. */
  get refusals(): readonly unknown[] {
    return this.#metrics.noted.get('bitswap_protection_inbound_refusals_total') ?? []
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]()
  }
}
