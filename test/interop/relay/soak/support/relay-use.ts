import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../../../../src/core/index.ts'
import { type Channel, SecureChannelPool } from '../../../../../src/relay/index.ts'

const USERS = 3
/** Between two exchanges of a user, in ms. */
const PAUSE_MS = 20
const POLL_MS = 10

/** All that is sent begins with it: what comes back in its place was made up by the relay, or is somebody else's. */
const MARK = Buffer.from('soak')
const MESSAGE_BYTES = 32

/** Channels of a pool in use all the time: each time something is sent, and has to come back. */
export class RelayUse {
  readonly #pool: SecureChannelPool
  readonly #users: Promise<unknown>
  #isStopped = false
  exchanges = 0
  failed = 0
  mixedUp = 0

  static async start(endpoint: string, root: string, clock: Clock): Promise<RelayUse> {
    const pool = new SecureChannelPool(
      endpoint,
      {
        tls: { roots: [root], connectTimeoutMs: 500 },
        maxConnections: 8,
        minIdle: 4,
        acquireTimeoutMs: 1_000,
        operationTimeoutMs: 300,
        cleanupIntervalMs: 200,
        idleTimeoutMs: 1_000,
        maxAgeMs: 5_000,
        // With one endpoint and no other to turn to, nobody waits longer for it.
        breaker: { timeoutMs: 100, maxTimeoutMs: 400 },
        probe: channel => exchange(channel)
      },
      { clock }
    )
    await pool.start()
    pool.startCleanup()
    return new RelayUse(pool)
  }

  private constructor(pool: SecureChannelPool) {
    this.#pool = pool
    this.#users = Promise.all(Array.from({ length: USERS }, () => this.#useOn()))
  }

  get reconnects(): number {
    return this.#pool.getStatus().totalReconnects
  }

  /** Resolves when the relay is well, or the time is over; with whether it is. */
  async recovered(limitMs: number): Promise<boolean> {
    const endMs = performance.now() + limitMs
    while (performance.now() < endMs) {
      if ((await this.#use()) && this.#pool.getStatus().isHealthy) return true
      await sleep(POLL_MS)
    }
    return false
  }

  /** Ends all use. Returns how many channels were in use to the last. */
  async drain(): Promise<number> {
    this.#isStopped = true
    await this.#users
    return this.#pool.drain()
  }

  async #useOn(): Promise<void> {
    while (!this.#isStopped) {
      if (await this.#use()) this.exchanges++
      else this.failed++
      await sleep(PAUSE_MS)
    }
  }

  async #use(): Promise<boolean> {
    try {
      await using channel = await this.#pool.getConnection()
      await exchange(channel)
      return true
    } catch (error) {
      if (error instanceof MixedUpError) this.mixedUp++
      return false
    }
  }
}

/** Somebody else's message has come back. */
class MixedUpError extends Error {
  static override readonly name = 'MixedUpError'
}

/** @throws MixedUpError; Error if what comes back is not what was sent; what channels throw */
async function exchange(channel: Pick<Channel, 'writeAll' | 'readExact'>): Promise<void> {
  const sent = Buffer.concat([MARK, randomBytes(MESSAGE_BYTES - MARK.length)])
  await channel.writeAll(sent)
  const back = await channel.readExact(MESSAGE_BYTES)
  if (sent.equals(back)) return
  throw MARK.equals(back.subarray(0, MARK.length))
    ? new MixedUpError()
    : new Error('Something else came back')
}
