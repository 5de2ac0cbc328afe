import type { Connection, PeerId, Stream } from '@libp2p/interface'
import {
  type BitswapProtectionEvents,
  type BitswapProtectionInit,
  BitswapProtectionManager
} from '../../../src/bitswap/index.ts'
import type { RecordDatastore } from '../../../src/bitswap/peer-records.ts'
import { ManualClock, tripAt } from '../../../src/core/index.ts'
import { protectionEventTypes } from '../../../src/core/slot-events.ts'
import { STEP_MS, TIMEOUT_MS } from '../../support/deterministic-protection.ts'
import type { Attempt } from './gate.ts'
import { type TestBlock, wants } from './messages.ts'
import { FakeMetrics } from './metrics.ts'
import { type FakeConnection, FakeNode } from './node.ts'
import { peerOf } from './peers.ts'
import { settle } from './streams.ts'

export const eventTypes: ReadonlyArray<keyof BitswapProtectionEvents> = protectionEventTypes

/**
 * The service on a node without a network, in time moved by hand: circuits open at two failures in a row, are tried
 * again after a second, close at one success, and recover in two steps.
 */
export function createManager(init: BitswapProtectionInit = {}, datastore?: RecordDatastore) {
  const node = new FakeNode()
  const clock = new ManualClock()
  const metrics = new FakeMetrics()
  const { breaker, recovery, ...options } = init
  const manager = new BitswapProtectionManager(
    {
      registrar: node.registrar,
      connectionManager: node.connectionManager,
      connectionGater: node.connectionGater,
      events: node.events,
      logger: node.logger,
      metrics: metrics.component,
      ...(datastore && { datastore })
    },
    {
      maxEjectedShare: 1,
      ...options,
      breaker: {
        readyToTrip: tripAt({ consecutiveFailures: 2 }),
        timeoutMs: TIMEOUT_MS,
        timeoutJitter: 0,
        maxRequests: 1,
        successThreshold: 1,
        ...breaker
      },
      recovery: {
        strategy: 'STEP',
        recoverySteps: [0.5, 1],
        recoveryIntervalMs: STEP_MS,
        successThreshold: 2,
        failureThreshold: 2,
        cooldownPeriodMs: 0,
        ...recovery
      }
    },
    { clock, random: () => 0 }
  )
  const peer = peerOf(1)

  async function advance(ms: number): Promise<void> {
    // In steps, between which promises settle, as they would.
    for (let passed = 0; passed < ms; passed += 100) {
      clock.advance(Math.min(100, ms - passed))
      await settle()
    }
  }

  /** Sees how a promise stands, without waiting for it. */
  function follow(promise: Promise<Stream>): Attempt {
    const attempt: { stream: Stream | undefined; error: unknown } = { stream: undefined, error: undefined }
    promise.then(
      stream => {
        attempt.stream = stream
      },
      error => {
        attempt.error = error
      }
    )
    return attempt
  }

  /** Asks a peer for blocks, as stock Bitswap does; returns the peer's end of the stream. */
  async function ask(connection: FakeConnection, ...asked: ReadonlyArray<TestBlock['cid']>): Promise<Stream> {
    const opened = follow(connection.newStream('/ipfs/bitswap/1.2.0'))
    await settle()
    if (opened.error !== undefined) throw opened.error
    const { theirs } = await connection.opening.open()
    await settle()
    await opened.stream!.closeRead()
    opened.stream!.send(wants(asked))
    await opened.stream!.close()
    await settle()
    return theirs
  }

  /** Opens the circuit of a peer by two calls that fail. */
  async function open(peerId: PeerId = peer): Promise<void> {
    for (let call = 0; call < 2; call++) {
      await manager
        .executeRequest(peerId, () => {
          throw new Error('no')
        })
        .catch(() => {})
    }
  }

  return {
    node,
    clock,
    metrics,
    manager,
    peer,
    advance,
    follow,
    ask,
    open,
    status: (peerId: PeerId = peer) => manager.getPeerStatus(peerId),
    /** Lets Bitswap streams that peers open be handled, and returns them. */
    handle: async (): Promise<Array<[Stream, Connection]>> => {
      const handled: Array<[Stream, Connection]> = []
      await node.registrar.handle('/ipfs/bitswap/1.2.0', (stream, connection) => {
        handled.push([stream, connection])
        // Somebody has to read it.
        stream.addEventListener('message', () => {})
      })
      return handled
    },
    /** A peer of which it is known that it speaks Bitswap. */
    connectKnown: async (peerId: PeerId = peer): Promise<FakeConnection> => {
      const connection = node.connect(peerId)
      const opened = follow(connection.newStream('/ipfs/bitswap/1.2.0'))
      await settle()
      await connection.opening.open()
      await settle()
      await opened.stream!.close()
      connection.openings.length = 0
      return connection
    },
    /** All events from here on. */
    events: (): Array<{ type: string; detail: unknown }> => {
      const events: Array<{ type: string; detail: unknown }> = []
      for (const type of eventTypes) {
        manager.addEventListener(type, event => {
          events.push({ type: event.type, detail: event.detail })
        })
      }
      return events
    }
  }
}
