import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../../../../src/core/index.ts'
import { SecureChannel } from '../../../../../src/relay/index.ts'

const READERS = 3
/** Between two reads of a reader, in ms. */
const PAUSE_MS = 20
const POLL_MS = 10

/** Errors that are kept. */
const MAX_ERRORS = 20

/** A secure channel to nodes, read from all the time. It checks, and asks others, sooner than it would by itself. */
export class NodeUse {
  readonly #channel: SecureChannel
  readonly #readers: Promise<unknown>
  #isStopped = false
  #lastNonce = 0
  reads = 0
  lost = 0
  mixedUp = 0
  longestMs = 0
  readonly errors: string[] = []
  readonly events: Record<string, number> = {}

  static async start(nodes: readonly string[], root: string, clock: Clock): Promise<NodeUse> {
    const channel = new SecureChannel(
      {
        primaryNodes: nodes,
        tls: { roots: [root], connectTimeoutMs: 500 },
        maxConnections: 4,
        maxReplyBytes: 64 * 1024,
        hedgeAfterMs: 50,
        healthCheck: { intervalMs: 100, timeoutMs: 500, retries: 2 }
      },
      { clock }
    )
    await channel.start()
    return new NodeUse(channel)
  }

  private constructor(channel: SecureChannel) {
    this.#channel = channel
    channel.onEvent(({ type }) => {
      this.events[type] = (this.events[type] ?? 0) + 1
    })
    this.#readers = Promise.all(Array.from({ length: READERS }, () => this.#readOn()))
  }

  get retries(): number {
    return this.#channel.getStatus().totalRetries
  }

  get hedges(): number {
    return this.#channel.getStatus().totalHedges
  }

  /** Resolves with the nodes that are well: with all of them once each has answered, with others when the time is over. */
  async recovered(limitMs: number): Promise<readonly string[]> {
    const endMs = performance.now() + limitMs
    // What went wrong before may show while they answer.
    while (!(this.#areAllUp && (await this.#allAnswer()) && this.#areAllUp)) {
      if (performance.now() > endMs) break
      await sleep(POLL_MS)
    }
    return this.#upNodes()
  }

  /** Ends all use. Returns how much had to be given up. */
  async drain(): Promise<number> {
    this.#isStopped = true
    await this.#readers
    return this.#channel.drain()
  }

  get #areAllUp(): boolean {
    return this.#upNodes().length === this.#channel.getStatus().nodes.length
  }

  #upNodes(): string[] {
    const { nodes } = this.#channel.getStatus()
    return nodes.filter(({ state }) => state === 'up').map(({ endpoint }) => endpoint)
  }

  async #allAnswer(): Promise<boolean> {
    const agree = this.#channel.getStatus().nodes.length
    const nonce = ++this.#lastNonce
    const request = { method: 'echo', params: [nonce] }
    const answer = await this.#channel.execute(request, { agree, timeoutMs: 1_000 }).catch(() => undefined)
    return answer === nonce
  }

  async #readOn(): Promise<void> {
    while (!this.#isStopped) {
      await this.#read()
      await sleep(PAUSE_MS)
    }
  }

  async #read(): Promise<void> {
    const nonce = ++this.#lastNonce
    const startedAtMs = performance.now()
    try {
      const answer = await this.#channel.execute({ method: 'echo', params: [nonce] })
      this.reads++
      if (answer !== nonce) this.mixedUp++
    } catch (error) {
      this.lost++
      if (this.errors.length < MAX_ERRORS) this.errors.push(String(error))
    }
    this.longestMs = Math.max(this.longestMs, performance.now() - startedAtMs)
  }
}
