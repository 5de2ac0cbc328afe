import type { NewStreamOptions, Stream } from '@libp2p/interface'
import { defaultInboundOptions, InboundGuard } from '../../../src/bitswap/inbound-guard.ts'
import { MessageWatch } from '../../../src/bitswap/message-watch.ts'
import type { Pass } from '../../../src/bitswap/pass.ts'
import { PeerJudge } from '../../../src/bitswap/peer-judge.ts'
import { type PeerLink, PeerLinks } from '../../../src/bitswap/peer-link.ts'
import { StreamGate } from '../../../src/bitswap/stream-gate.ts'
import type { OpenLimits } from '../../../src/bitswap/stream-opener.ts'
import { Deadlines } from '../../../src/core/deadlines.ts'
import type { ProtectionOptions, RejectedError } from '../../../src/core/index.ts'
import { createProtection } from '../../support/deterministic-protection.ts'
import { type FakeConnection, FakeNode } from './node.ts'
import { peerOf } from './peers.ts'
import { settle } from './streams.ts'

export const OPEN_WAIT_MS = 400
export const OPEN_TIMEOUT_MS = 7000
export const WANT_TIMEOUT_MS = 2000

/** Options that only Bitswap knows of, beside those of libp2p. */
export type Options = NewStreamOptions & { message?: unknown }

/** How an attempt to open a stream stands. */
export interface Attempt {
  readonly stream: Stream | undefined
  readonly error: unknown
}

/** A gate that is started, with all it needs around it, and one peer that is connected. */
export function createGate(options: Partial<ProtectionOptions> = {}, limits: Partial<OpenLimits> = {}) {
  const node = new FakeNode()
  const created = createProtection({ maxEjectedShare: 1, ...options })
  const { protection, clock } = created
  const links = new PeerLinks()
  const deadlines = new Deadlines(clock)
  const cleared: PeerLink[] = []
  const heldBack: RejectedError[] = []
  const lost: PeerLink[] = []
  const streams: Array<{ stream: Stream; link: PeerLink; pass: Pass }> = []
  const openedAfter: number[] = []
  const judge = new PeerJudge(
    protection,
    clock,
    links,
    deadlines,
    { wantTimeoutMs: WANT_TIMEOUT_MS },
    {
      onSuspect: link => gate.probe(link),
      onCleared: link => cleared.push(link),
      onLost: link => lost.push(link),
      onWant: () => {},
      onBlock: () => {}
    }
  )
  const onHeldBack = (_link: PeerLink, rejection: RejectedError): void => {
    heldBack.push(rejection)
  }
  const isOff = (): boolean => protection.mode === 'off'
  const guard = new InboundGuard(defaultInboundOptions, 100, {
    clock,
    lagMs: () => 0,
    isEnforcing: () => true,
    onOverrun: () => {},
    mayShutOut: () => false,
    onShutOut: () => {}
  })
  const watch = new MessageWatch({
    guard,
    judge,
    taker: () => undefined,
    isOff,
    onRefused: onHeldBack,
    log: node.log
  })
  const gate = new StreamGate(
    node,
    protection,
    clock,
    links,
    judge,
    deadlines,
    { openWaitMs: OPEN_WAIT_MS, openTimeoutMs: OPEN_TIMEOUT_MS, ...limits },
    {
      onStream: (stream, link, connection, pass) => {
        streams.push({ stream, link, pass })
        watch.watchSending(stream, link, connection, pass)
      },
      onHeldBack,
      onLost: link => lost.push(link),
      onTaken: () => watch.noteStockAsking(),
      onGone: () => {},
      onOpened: elapsedMs => openedAfter.push(elapsedMs)
    },
    node.log
  )
  gate.start()
  const peer = peerOf(1)
  const connection = node.connect(peer)
  const key = peer.toString()

  /** Sees how the opening of a stream stands, without waiting for it. */
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

  async function advance(ms: number): Promise<void> {
    clock.advance(ms)
    await settle()
  }

  return {
    ...created,
    node,
    links,
    deadlines,
    judge,
    watch,
    gate,
    cleared,
    heldBack,
    lost,
    streams,
    openedAfter,
    peer,
    key,
    connection,
    follow,
    /** Moves time, and lets what it sets off happen. */
    advance,
    /** Moves time while another peer gives signs of life. */
    advanceAlive: async (ms: number): Promise<void> => {
      const other = links.claim(peerOf(99))
      for (let passed = 0; passed < ms; passed += 100) {
        clock.advance(Math.min(100, ms - passed))
        judge.heard(other)
      }
      await settle()
    },
    /** Opens a stream of the peer and sees at once how that stands. */
    attempt: async (protocols: string | string[], opts?: Options, on: FakeConnection = connection) => {
      const attempt = follow(on.newStream(protocols, opts))
      await settle()
      return attempt
    },
    link: (): PeerLink => links.claim(peer),
    status: () => protection.getPeerStatus(key),
    /** Makes streams of the peer known to open in `ms`. */
    teach: (ms: number): void => {
      for (let sample = 0; sample < 50; sample++) links.claim(peer).openTime.sample(ms)
    }
  }
}
