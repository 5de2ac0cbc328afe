import { type Clock, systemClock } from '../../../../src/core/index.ts'
import { type Managed, type ManagementOptions, ManagementServer } from '../../../../src/management/index.ts'
import { AlertMonitor } from '../../../../src/telemetry/index.ts'
import { createNode } from '../../../management/support/managed.ts'
import { create as createChannel } from '../../../relay/nodes/support/channel.ts'

export const TOKEN = 'a-token-of-some-length'

/** Circuits that opened before are half-open after it. */
const AGE_MS = 20_000

/** A server with something to show, and what is behind it. */
export class Site implements AsyncDisposable {
  readonly made = createNode()
  readonly relay = createChannel({
    primaryNodes: ['a.example:8332', 'b.example:8332'],
    backupNodes: ['c.example:8332']
  })
  readonly alerts: AlertMonitor
  readonly #managed: Managed
  readonly #options: Partial<ManagementOptions>
  #server: ManagementServer | undefined

  constructor(options: Partial<ManagementOptions> = {}, managed: Managed = {}) {
    const { node, clock } = this.made
    this.alerts = new AlertMonitor(
      { bitswap: [node] },
      { fireAfterMs: 0, bitswap: { openCircuitShare: 0.03 } },
      { clock }
    )
    this.#managed = {
      bitswap: node,
      channels: [this.relay.channel],
      alerts: this.alerts,
      history: { intervalMs: 10_000, getPoints: max => points(clock.wallTime(), Math.min(max, 60)) },
      ...managed
    }
    this.#options = { authToken: TOKEN, serviceName: 'Example relay', version: '1.2.3', ...options }
  }

  get url(): string {
    return this.#server!.url!
  }

  /** Listens, where it did before if it has. */
  async start(port = 0): Promise<void> {
    // Time goes on for the server, but its peers tell time by theirs.
    const clock: Clock = {
      now: () => systemClock.now(),
      wallTime: () => this.made.clock.wallTime(),
      schedule: (callback, delayMs) => systemClock.schedule(callback, delayMs)
    }
    this.#server = new ManagementServer(this.#managed, { ...this.#options, port }, { clock })
    await this.#server.start()
  }

  /** Goes away, all at once as when a process ends. @returns where it was */
  async stop(): Promise<number> {
    const port = Number(new URL(this.url).port)
    await this.#server!.stop()
    return port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.stop()
    await this.relay.channel.close()
  }

  /** So many peers with ids as libp2p has them, some in trouble of each kind. */
  addPeers(count: number): void {
    const { protection, connected, clock, metrics } = this.made
    for (let number = 0; number < count; number++) {
      const key = peerId(number)
      for (let call = 0; call <= number % 7; call++) {
        const admission = protection.admit(key)
        clock.advance(count > 100 ? 0 : 5 + (number % 13))
        admission.settle(number % 5 === 1 && call % 3 === 0 ? 'failure' : 'success')
      }
      metrics.noteWant(number % 9 === 4 ? 'failed' : 'answered', 30 + number)
      if (number % 3 > 0) connected.add(key)
    }
    if (count > 3) protection.trip(peerId(3))
    // It is half-open then.
    clock.advance(AGE_MS)
    if (count > 8) protection.trip(peerId(8))
    if (count > 12) protection.isolate(peerId(12))
    this.alerts.look()
  }
}

/** The id of a peer, as long as those of libp2p; tests call peers `peer-…`. */
export function peerId(number: number): string {
  return `peer-12D3KooWQx7vYt8sN2mZbLk5RcE9hJ${String(number).padStart(8, '0')}fUaPdG`
}

/** How things went over the last minutes. */
function points(nowMs: number, count: number) {
  return Array.from({ length: count }, (_, index) => ({
    at: nowMs - (count - 1 - index) * 10_000,
    peers: 40 + (index % 9),
    openCircuits: index % 20 > 14 ? 3 : 0,
    wants: Math.round(100 + 30 * Math.sin(index / 5)),
    failedWants: index % 11 === 0 ? 4 : 0,
    wantLatencyMs: index % 13 === 0 ? undefined : 40 + 10 * Math.cos(index / 3),
    connections: 3,
    relayRequests: 20 + (index % 4),
    relayErrors: index % 17 === 0 ? 2 : 0,
    relayLatencyMs: 12 + (index % 5),
    failovers: index === 30 ? 1 : 0
  }))
}
