import { type Channel, type PooledChannel, SecureChannelPool } from 'bitswap-protection/relay'
import { settle } from '../stream/cost.ts'
import { TimedHandshakes } from './timed-handshakes.ts'

/** What came of opening channels. Times in ms. */
export interface Opened {
  readonly tookMs: number
  /** Of each: TCP, TLS, and an answer to the first thing it is asked. */
  readonly meanMs: number
  readonly p95Ms: number
  /** Of these, what TCP and TLS took. */
  readonly handshakeMeanMs: number
  /** Handshakes under way at once, at most. */
  readonly mostHandshakes: number
  readonly channels: number
  readonly errors: number
  /** What this process takes more than before, for each channel: of all memory, and of the heap and buffers only. */
  readonly rssBytes: number
  readonly usedBytes: number
}

/** What came of using all of them at once. */
export interface Echoed {
  readonly tookMs: number
  readonly p95Ms: number
  /** Channels that did not send back what was sent. */
  readonly failed: number
  /** Channels in the pool afterwards, none of which is lent. */
  readonly idle: number
}

export interface Closed {
  readonly tookMs: number
  readonly errors: number
}

/** How many are used at once. */
const USED_AT_ONCE = 100

const MESSAGE_BYTES = 64

const probe = async (channel: Channel): Promise<void> => {
  await channel.writeAll(new TextEncoder().encode('PING'))
  await channel.readExact(4)
}

/** As many channels to one server as are asked for, kept ready by one pool. */
export class ChannelCrowd {
  readonly #pool: SecureChannelPool
  readonly #count: number
  readonly #handshakes = new TimedHandshakes()
  readonly #probesMs: number[] = []

  /** @param root - who has signed the server's certificate, as PEM */
  constructor(endpoint: string, root: string, count: number) {
    this.#count = count
    this.#pool = new SecureChannelPool(
      endpoint,
      {
        maxConnections: count,
        minIdle: count,
        // What is measured is not whether all are as quick as one.
        maxLatencyMs: 60_000,
        operationTimeoutMs: 60_000,
        tls: { roots: [root], connectTimeoutMs: 60_000 },
        probe: channel => this.#timedProbe(channel)
      },
      { handshakes: this.#handshakes }
    )
  }

  async open(): Promise<Opened> {
    const before = await memoryInUse()
    const startMs = performance.now()
    await this.#pool.start()
    const tookMs = performance.now() - startMs
    const after = await memoryInUse()
    const { idleConnections, totalErrors, establishment } = this.#pool.getStatus()
    const handshakeMeanMs = mean(this.#handshakes.tookMs)
    return {
      tookMs,
      meanMs: handshakeMeanMs + mean(this.#probesMs),
      p95Ms: establishment.p95Ms,
      handshakeMeanMs,
      mostHandshakes: this.#handshakes.most,
      channels: idleConnections,
      errors: totalErrors,
      rssBytes: (after.rss - before.rss) / this.#count,
      usedBytes: (after.used - before.used) / this.#count
    }
  }

  async echo(): Promise<Echoed> {
    const lent = await Promise.all(Array.from({ length: this.#count }, () => this.#pool.getConnection()))
    const tookMs: number[] = []
    let failed = 0
    const startMs = performance.now()
    const waiting = lent.entries()
    const use = async (): Promise<void> => {
      for (const [number, channel] of waiting) {
        const usedAtMs = performance.now()
        if (await sendsBack(channel, number)) tookMs.push(performance.now() - usedAtMs)
        else failed++
      }
    }
    await Promise.all(Array.from({ length: USED_AT_ONCE }, use))
    const totalMs = performance.now() - startMs
    for (const channel of lent) channel.release()
    const sorted = tookMs.toSorted((a, b) => a - b)
    return {
      tookMs: totalMs,
      p95Ms: sorted[Math.floor(0.95 * (sorted.length - 1))] ?? 0,
      failed,
      idle: this.#pool.getStatus().idleConnections
    }
  }

  close(): Closed {
    const startMs = performance.now()
    this.#pool.close()
    return { tookMs: performance.now() - startMs, errors: this.#pool.getStatus().totalErrors }
  }

  async #timedProbe(channel: Channel): Promise<void> {
    const startMs = performance.now()
    await probe(channel)
    this.#probesMs.push(performance.now() - startMs)
  }
}

/** Each channel is sent something else, so that nobody takes another's answer for his own. */
async function sendsBack(channel: PooledChannel, number: number): Promise<boolean> {
  const message = new Uint8Array(MESSAGE_BYTES)
  new DataView(message.buffer).setUint32(0, number)
  try {
    await channel.writeAll(message)
    return Buffer.compare(await channel.readExact(MESSAGE_BYTES), message) === 0
  } catch {
    return false
  }
}

/** After garbage was collected, in bytes. */
async function memoryInUse(): Promise<{ readonly rss: number; readonly used: number }> {
  for (let pass = 0; pass < 3; pass++) await settle()
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
  return { rss, used: heapUsed + arrayBuffers }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
