import { describe, expect, test } from 'vitest'
import { makeBytes } from '../../src/cli/swarm/blocks.ts'
import type { Mode } from '../../src/core/index.ts'
import { Client, type ClientPlan } from '../integration/support/client.ts'
import { until } from '../integration/support/waiting.ts'
import { type KuboDaemon, startKuboDaemons } from './support/kubo-daemon.ts'
import { expectNoBlame } from './support/no-blame.ts'
import type { PeerFile } from './support/peer-process.ts'
import { readFile } from './support/reading.ts'

const MIB = 2 ** 20
const FILE_BYTES = 64 * MIB
const bytes = makeBytes({ seed: 5, sizeBytes: FILE_BYTES })

/** Leaves of 256 KiB, the two nodes above them, and the root. */
const FILE_BLOCKS = 259

/** The longest a file may take; it takes 1 to 4 s. */
const FILE_LIMIT_MS = 30_000

/** The longest time without a byte. Stock Helia takes 10 s for each block while a peer it is connected to is frozen. */
const PAUSE_LIMIT_MS = 5_000

const modes: readonly Mode[] = ['off', 'observe', 'enforce']

const fetchers = [
  { name: 'protectBitswap', isDropIn: true },
  { name: 'stock Helia', isDropIn: false }
]

describe.each(fetchers)('with the service and $name', ({ isDropIn }) => {
  test('a file is read from one daemon, which sends each block once', async () => {
    await using daemons = await startKuboDaemons(1)
    const [daemon] = daemons.all
    const file = await addToAll(daemons.all, bytes)
    await using client = await Client.start({ isDropIn })
    await client.connect(daemon!)
    const { totalMs } = await readFile(client, file)
    expect(totalMs).toBeLessThan(FILE_LIMIT_MS)
    // A daemon counts what it sent when it is gone.
    await until(async () => (await daemon!.blocksSent()) === FILE_BLOCKS, 'it sent each block once')
    expectNoBlame(client, daemon!)
  })

  test('a file is read from three daemons', async () => {
    await using daemons = await startKuboDaemons(3)
    const file = await addToAll(daemons.all, bytes)
    await using client = await Client.start({ isDropIn })
    await client.connect(...daemons.all)
    const { totalMs } = await readFile(client, file)
    expect(totalMs).toBeLessThan(FILE_LIMIT_MS)
    // Stock Helia takes whatever any of them has.
    expect(await blocksSent(daemons.all)).toBeLessThanOrEqual((isDropIn ? 1.15 : 3) * FILE_BLOCKS)
    expectNoBlame(client, ...daemons.all)
  })

  test('a file is read from three daemons, one of which is frozen for a while', async () => {
    await using daemons = await startKuboDaemons(3)
    const [frozen, ...well] = daemons.all
    const file = await addToAll(daemons.all, bytes)
    await using client = await Client.start({ isDropIn })
    await client.connect(...daemons.all)
    const { totalMs, longestPauseMs } = await readFile(client, file, [
      { afterBytes: FILE_BYTES / 8, happen: () => frozen!.freeze() },
      { afterBytes: FILE_BYTES / 2, happen: () => frozen!.thaw() }
    ])
    expect(totalMs).toBeLessThan(FILE_LIMIT_MS)
    expect(longestPauseMs).toBeLessThan(PAUSE_LIMIT_MS)
    expectNoBlame(client, ...well)
  })

  test('a file is read from three daemons, one of which is killed', async () => {
    await using daemons = await startKuboDaemons(3)
    const [killed, ...well] = daemons.all
    const file = await addToAll(daemons.all, bytes)
    await using client = await Client.start({ isDropIn })
    await client.connect(...daemons.all)
    const { totalMs, longestPauseMs } = await readFile(client, file, [
      { afterBytes: FILE_BYTES / 8, happen: () => killed!.kill() }
    ])
    expect(totalMs).toBeLessThan(FILE_LIMIT_MS)
    expect(longestPauseMs).toBeLessThan(PAUSE_LIMIT_MS)
    expectNoBlame(client, ...well)
  })

  test('a daemon that was frozen until it was refused is asked again when it is thawed', async () => {
    await using daemons = await startKuboDaemons(2)
    const [frozen, well] = daemons.all
    const before = await addToAll(daemons.all, bytes)
    const meanwhile = await addToAll(daemons.all, makeBytes({ seed: 7, sizeBytes: FILE_BYTES }))
    const own = await frozen!.addFile(makeBytes({ seed: 6, sizeBytes: 4 * MIB }))
    await using client = await Client.start({ isDropIn, protection: { breaker: { timeoutMs: 1_000 } } })
    await client.connect(...daemons.all)
    await readFile(client, before)
    // Not while a file is read: the rest of it may be there before any of it is read.
    frozen!.freeze()
    const { longestPauseMs } = await readFile(client, meanwhile)
    expect(longestPauseMs).toBeLessThan(PAUSE_LIMIT_MS)
    await readUntilRefused(client, frozen!, well!)
    frozen!.thaw()
    await readFile(client, own)
    expectNoBlame(client, well!)
  })
})

// What it asks for stands in fetching.test.ts: a daemon does not tell.
test("Helia's own fetch has a daemon send what it sends without the service, in each mode", async () => {
  const sentTo = async (plan: ClientPlan): Promise<number> => {
    await using daemons = await startKuboDaemons(1)
    const [daemon] = daemons.all
    const file = await addToAll(daemons.all, bytes.subarray(0, FILE_BYTES / 4))
    await using client = await Client.start(plan)
    await client.connect(daemon!)
    await readFile(client, file)
    // A daemon counts what it sent when it is gone. Leaves of 256 KiB, and the root.
    await until(async () => (await daemon!.blocksSent()) >= 65, 'it sent all of it')
    return await daemon!.blocksSent()
  }
  const sent = await sentTo({ after: { protection: () => new EventTarget() } })
  for (const mode of modes) expect(await sentTo({ protection: { mode } })).toBe(sent)
})

/** Reads what another daemon has until the one that does not answer is refused. */
async function readUntilRefused(client: Client, frozen: KuboDaemon, well: KuboDaemon): Promise<void> {
  let seed = 100
  await until(async () => {
    const small = await well.addFile(makeBytes({ seed: seed++, sizeBytes: 10_000 }))
    const { totalMs } = await readFile(client, small)
    expect(totalMs).toBeLessThan(PAUSE_LIMIT_MS)
    return client.events(frozen).includes('circuit:open')
  }, 'the frozen daemon is refused')
}

async function addToAll(daemons: readonly KuboDaemon[], content: Uint8Array): Promise<PeerFile> {
  const [file] = await Promise.all(daemons.map(daemon => daemon.addFile(content)))
  return file!
}

async function blocksSent(daemons: readonly KuboDaemon[]): Promise<number> {
  const each = await Promise.all(daemons.map(daemon => daemon.blocksSent()))
  return each.reduce((sum, sent) => sum + sent, 0)
}
