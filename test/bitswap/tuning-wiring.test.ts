import { describe, expect, test } from 'vitest'
import { createManager } from './support/manager.ts'
import { cidOf, dontHave } from './support/messages.ts'
import { peerOf } from './support/peers.ts'
import { settle } from './support/streams.ts'

const PERIOD_MS = 30_000

async function createStarted(init: Parameters<typeof createManager>[0]) {
  const created = createManager(init)
  const { manager, node, peer, clock, ask, follow } = created
  manager.start()
  await created.handle()
  const connection = node.connect(peer)
  /** Wants that are answered after so long; the last `unanswered` of them are not. */
  const wanted = async (from: number, count: number, afterMs: number, unanswered = 0): Promise<void> => {
    const cids = Array.from({ length: count }, (_, number) => cidOf(from + number))
    await ask(connection, ...cids)
    for (let passedMs = 0; passedMs < afterMs; passedMs += 50) clock.advance(50)
    const { theirs } = await node.receive(connection)
    theirs.send(dontHave(...cids.slice(0, count - unanswered)))
    await theirs.close()
    await settle()
  }
  /** A stream that opens after so long. */
  const opened = async (afterMs: number): Promise<void> => {
    follow(connection.newStream('/ipfs/bitswap/1.2.0'))
    await settle()
    clock.advance(afterMs)
    const { ours } = await connection.opening.open()
    await settle()
    ours.abort(new Error('done'))
    await settle()
  }
  return { ...created, connection, opened, wanted }
}

describe('the service', () => {
  test('lets callers wait for as long as the streams of its peers suggest', async () => {
    const { manager, clock, node, opened, follow } = await createStarted({ tuning: 'apply' })
    for (let stream = 0; stream < 100; stream++) await opened(10)
    clock.advance(PERIOD_MS)
    await opened(10)
    expect(manager.getTuningStatus()).toMatchObject({
      limits: { openWaitMs: 200 },
      changes: [{ option: 'openWaitMs', from: 400, to: 200 }]
    })
    const stranger = node.connect(peerOf(7))
    const attempt = follow(stranger.newStream('/ipfs/bitswap/1.2.0'))
    await settle()
    clock.advance(175)
    await settle()
    expect(attempt.stream).toBeUndefined()
    clock.advance(50)
    await settle()
    expect(attempt.stream).toBeDefined()
    manager.tuning = 'off'
    expect(manager.getTuningStatus().limits.openWaitMs).toBe(400)
    manager.stop()
    expect(clock.pendingTimers).toBe(0)
  })

  test('gives peers the time to answer that all of them need', async () => {
    const { manager, clock, wanted, opened, status } = await createStarted({
      tuning: 'apply',
      breaker: { readyToTrip: () => false }
    })
    await wanted(1, 150, 1_800)
    clock.advance(PERIOD_MS)
    await opened(1)
    expect(manager.getTuningStatus().limits.wantTimeoutMs).toBeCloseTo(3_600, -2)
    expect(status()?.counts.totalFailures).toBe(0)
  })

  test('knows wants that timed out from those that failed otherwise', async () => {
    const { manager, clock, wanted, opened } = await createStarted({
      tuning: 'apply',
      wantTimeoutMs: 8_000,
      breaker: { readyToTrip: () => false }
    })
    await wanted(1, 150, 50)
    clock.advance(PERIOD_MS)
    await opened(1)
    expect(manager.getTuningStatus().limits.wantTimeoutMs).toBe(4_000)
    await wanted(1_000, 20, 50, 10)
    for (let passedMs = 0; passedMs < PERIOD_MS; passedMs += 50) clock.advance(50)
    await opened(1)
    expect(manager.getTuningStatus().changes.at(-1)).toMatchObject({
      to: 8_000,
      reason: '10 of 20 wants timed out in 30 s: back to the configured 8000 ms'
    })
  })

  test('by default does not', async () => {
    const { manager, clock, opened } = await createStarted({})
    for (let stream = 0; stream < 100; stream++) await opened(10)
    clock.advance(PERIOD_MS)
    await opened(10)
    expect(manager.getTuningStatus()).toMatchObject({ mode: 'off', limits: { openWaitMs: 400 }, changes: [] })
  })
})
