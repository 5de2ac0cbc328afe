import { SecureChannelPool } from 'bitswap-protection/relay'
import { createPool } from 'generic-pool'
import { Pool as LightningPool } from 'lightning-pool'
import { Pool as TarnPool } from 'tarn'
import { nextTurn } from '../harness.ts'

/** A pool of so many resources that are all ready. */
export interface ReadyPool {
  /** Takes one, and gives it back: at once, or a turn of the event loop later. */
  use(isAtOnce: boolean): Promise<void>
  /** Resources that nobody has. */
  readonly idle: number
  close(): Promise<void>
}

/** How long somebody waits, in ms: longer than any run takes. */
const WAIT_MS = 60_000

/** Callers that may wait. */
const MAX_WAITING = 20_000

/** Makes a pool. */
export type MakePool = (size: number) => Promise<ReadyPool>

/** Of channels to a server. @param root - who has signed its certificate, as PEM */
export function ourPool(endpoint: string, root: string): MakePool {
  return async size => {
    const pool = new SecureChannelPool(endpoint, {
      maxConnections: size,
      minIdle: size,
      maxWaiting: MAX_WAITING,
      acquireTimeoutMs: WAIT_MS,
      tls: { roots: [root] }
    })
    await pool.start()
    return {
      async use(isAtOnce) {
        const channel = await pool.getConnection()
        if (!isAtOnce) await nextTurn()
        channel.release()
      },
      get idle() {
        return pool.getStatus().idleConnections
      },
      close: async () => pool.close()
    }
  }
}

export const genericPool: MakePool = async size => {
  const pool = createPool(
    { create: async () => ({}), destroy: async () => {} },
    { min: size, max: size, maxWaitingClients: MAX_WAITING, acquireTimeoutMillis: WAIT_MS }
  )
  await pool.ready()
  return {
    async use(isAtOnce) {
      const resource = await pool.acquire()
      if (!isAtOnce) await nextTurn()
      await pool.release(resource)
    },
    get idle() {
      return pool.available
    },
    close: () => pool.clear()
  }
}

export const tarn: MakePool = async size => {
  const pool = new TarnPool<object>({
    create: async () => ({}),
    destroy: () => {},
    min: size,
    max: size,
    acquireTimeoutMillis: WAIT_MS
  })
  // It makes none before it is asked.
  const first = await Promise.all(Array.from({ length: size }, () => pool.acquire().promise))
  for (const resource of first) pool.release(resource)
  return {
    async use(isAtOnce) {
      const resource = await pool.acquire().promise
      if (!isAtOnce) await nextTurn()
      pool.release(resource)
    },
    get idle() {
      return pool.numFree()
    },
    close: async () => {
      await pool.destroy()
    }
  }
}

export const lightningPool: MakePool = async size => {
  const pool = new LightningPool<object>(
    { create: () => ({}), destroy: () => {} },
    { min: size, max: size, maxQueue: MAX_WAITING, acquireTimeoutMillis: WAIT_MS, validation: false }
  )
  const first = await Promise.all(Array.from({ length: size }, () => pool.acquire()))
  for (const resource of first) await pool.releaseAsync(resource)
  return {
    async use(isAtOnce) {
      const resource = await pool.acquire()
      if (!isAtOnce) await nextTurn()
      pool.release(resource)
    },
    get idle() {
      return pool.available
    },
    close: () => pool.closeAsync(true)
  }
}
