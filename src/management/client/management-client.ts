import { LRUCache } from 'lru-cache'
import { systemRandom } from '../../core/clock.ts'
import { type Clock, type Explanation, type Mode, type OverallStatus, systemClock } from '../../core/index.ts'
import type { PeerQuery } from '../peer-page.ts'
import type { AlertsWire } from '../wire/alerts.ts'
import type { ConnectionWire, PoolStatusWire } from '../wire/connections.ts'
import type { EnhancedStatusWire } from '../wire/enhanced-status.ts'
import type { HealthWire } from '../wire/health.ts'
import type { HistoryWire } from '../wire/history.ts'
import type { PeerPageWire, PeerWire } from '../wire/peers.ts'
import type { SecureChannelStatusWire, StatsWire } from '../wire/secure-channel.ts'
import { type ManagementClientOptions, resolveManagementClientOptions } from './client-options.ts'
import { ManagementUnavailableError } from './errors.ts'
import { EventReader, type ManagementEvent } from './event-reader.ts'
import { Requests } from './requests.ts'

/** Answers that are kept at most. */
const MAX_KEPT = 1_000

/** What the server said, and when. */
export interface Answer<Value> {
  readonly value: Value
  /** Whether the server is away, so that this is the last that is known. */
  readonly isStale: boolean
  /** When it was said, in ms since 1970 by the clock of this computer. */
  readonly at: number
  /** Why it is stale. */
  readonly error: ManagementUnavailableError | undefined
}

/** How something is asked. */
export interface AskOptions {
  readonly signal?: AbortSignal | undefined
  /** Whether it has to be asked now: an answer that is kept does not do as long as the server is there. */
  readonly isFresh?: boolean
}

/** What a client can be given instead of what it takes itself. */
export interface ManagementClientComponents {
  readonly clock?: Clock
  readonly random?: () => number
  /** To be used for requests: with authorities, or a certificate, of one's own. */
  readonly fetch?: typeof fetch
}

/** What is kept of an answer. */
interface Kept {
  readonly value: unknown
  readonly at: number
  /** When it came, by the clock; long ago if it is not to be given again without asking. */
  clockMs: number
}

/**
 * Asks a management server. While that is away, or has too much to do, the last answer is given, as stale.
 *
 * All methods throw {@link ManagementUnavailableError} if there is none, `ManagementRequestError` if the server refuses, and the
 * signal's reason.
 */
export class ManagementClient {
  readonly #options: Readonly<ManagementClientOptions>
  readonly #clock: Clock
  readonly #requests: Requests
  readonly #kept = new LRUCache<string, Kept>({ max: MAX_KEPT })

  /** @throws InvalidOptionError */
  constructor(options?: Partial<ManagementClientOptions>, components: ManagementClientComponents = {}) {
    const { clock = systemClock, random = systemRandom, fetch = globalThis.fetch } = components
    this.#options = resolveManagementClientOptions(options)
    this.#clock = clock
    this.#requests = new Requests(this.#options, clock, random, fetch)
  }

  /** How the service is, as a whole. */
  getStatus(options?: AskOptions): Promise<Answer<EnhancedStatusWire>> {
    return this.#get('/status', options)
  }

  /** Whether pools and channels can be used. No token is needed. */
  getHealth(options?: AskOptions): Promise<Answer<HealthWire>> {
    return this.#get('/healthz', options)
  }

  /** Pools as one, or the one to an endpoint (`host:port`), with their connections. */
  getPoolStatus(endpoint?: string, options?: AskOptions): Promise<Answer<PoolStatusWire>> {
    return this.#get(`/status/connections${queryOf({ endpoint })}`, options)
  }

  /** Pools with their connections, and channels with their nodes. */
  getSecureChannelStatus(options?: AskOptions): Promise<Answer<SecureChannelStatusWire>> {
    return this.#get('/api/v1/secure-channel/status', options)
  }

  getConnection(id: string, options?: AskOptions): Promise<Answer<ConnectionWire>> {
    return this.#get(`/api/v1/secure-channel/connections/${encodeURIComponent(id)}`, options)
  }

  /** Sums over pools and channels. */
  getStats(options?: AskOptions): Promise<Answer<StatsWire>> {
    return this.#get('/api/v1/secure-channel/stats', options)
  }

  /** How the libp2p node is protected. */
  getBitswapStatus(options?: AskOptions): Promise<Answer<OverallStatus>> {
    return this.#get('/api/v1/bitswap/status', options)
  }

  /** A page of peers: the first, with those that are most in trouble, unless something else is asked for. */
  getPeers(query: Partial<PeerQuery> = {}, options?: AskOptions): Promise<Answer<PeerPageWire>> {
    return this.#get(`/api/v1/bitswap/peers${queryOf(query)}`, options)
  }

  getPeer(peer: string, options?: AskOptions): Promise<Answer<PeerWire>> {
    return this.#get(`/api/v1/bitswap/peers/${encodeURIComponent(peer)}`, options)
  }

  /** Why a peer is treated as it is. */
  explain(peer: string, options?: AskOptions): Promise<Answer<Explanation>> {
    return this.#get(`/api/v1/bitswap/explain/${encodeURIComponent(peer)}`, options)
  }

  /** What is wrong now. */
  getAlerts(options?: AskOptions): Promise<Answer<AlertsWire>> {
    return this.#get('/api/v1/alerts', options)
  }

  /** How things went: the last points, 360 of them unless it is said how many. */
  getHistory(points?: number, options?: AskOptions): Promise<Answer<HistoryWire>> {
    return this.#get(`/api/v1/history${queryOf({ points })}`, options)
  }

  /** Metrics, as Prometheus reads them. */
  getMetrics(options?: AskOptions): Promise<Answer<string>> {
    return this.#read('/metrics', text => text, options)
  }

  /** Asks nothing of a peer any more, until it is released. */
  isolatePeer(peer: string, signal?: AbortSignal): Promise<PeerWire> {
    return this.#post('/api/v1/bitswap/isolate', { peer }, signal)
  }

  releasePeer(peer: string, signal?: AbortSignal): Promise<PeerWire> {
    return this.#post('/api/v1/bitswap/release', { peer }, signal)
  }

  async setMode(mode: Mode, signal?: AbortSignal): Promise<void> {
    await this.#post('/api/v1/bitswap/mode', { mode }, signal)
  }

  /** Sends nothing to a node (`host:port`) any more, until it is released. */
  async isolateEndpoint(endpoint: string, signal?: AbortSignal): Promise<void> {
    await this.#post('/api/v1/secure-channel/isolate', { endpoint }, signal)
  }

  async releaseEndpoint(endpoint: string, signal?: AbortSignal): Promise<void> {
    await this.#post('/api/v1/secure-channel/release', { endpoint }, signal)
  }

  /** What happens, as it happens, until the signal aborts or the loop is left. While the server is away it is tried again. */
  events(signal?: AbortSignal): AsyncIterableIterator<ManagementEvent> {
    return new EventReader(this.#requests, this.#clock).read(signal)
  }

  /**
   * Looks at the service now, and again every `watchIntervalMs`, until the function returned is called. The process does not end
   * before.
   *
   * @param callback - told how it is, if that is known, and why the server could not be asked, if it could not
   */
  watch(
    callback: (answer: Answer<EnhancedStatusWire> | undefined, error: Error | undefined) => void
  ): () => void {
    const ending = new AbortController()
    const { signal } = ending
    const look = async (): Promise<void> => {
      for (; ; await this.#requests.sleep(this.#options.watchIntervalMs, signal)) {
        const seen = await this.getStatus({ signal, isFresh: true }).catch((error: Error) => error)
        signal.throwIfAborted()
        if (seen instanceof Error) callback(undefined, seen)
        else callback(seen, seen.error)
      }
    }
    look().catch(error => {
      // What the callback throws is its own.
      if (!signal.aborted) throw error
    })
    return () => ending.abort()
  }

  #get<Value>(path: string, options?: AskOptions): Promise<Answer<Value>> {
    return this.#read(path, text => JSON.parse(text) as Value, options)
  }

  async #read<Value>(
    path: string,
    parse: (text: string) => Value,
    { signal, isFresh = false }: AskOptions = {}
  ): Promise<Answer<Value>> {
    const kept = this.#kept.get(path)
    if (kept && !isFresh && this.#clock.now() - kept.clockMs < this.#options.cacheMs) return answer(kept)
    try {
      const value = parse(await this.#requests.text({ path, signal }))
      const now = { value, at: this.#clock.wallTime(), clockMs: this.#clock.now() }
      this.#kept.set(path, now)
      return answer(now)
    } catch (error) {
      if (kept && error instanceof ManagementUnavailableError) return answer(kept, error)
      throw error
    }
  }

  async #post<Value>(path: string, body: object, signal: AbortSignal | undefined): Promise<Value> {
    const value = JSON.parse(await this.#requests.text({ path, body, signal })) as Value
    // Much may be different now; but if the server is away from now on, it is the last that is known.
    for (const kept of this.#kept.values()) kept.clockMs = -Infinity
    return value
  }
}

function answer<Value>({ value, at }: Kept, error?: ManagementUnavailableError): Answer<Value> {
  return { value: value as Value, isStale: error !== undefined, at, error }
}

/** With `?` before it, if there is anything. */
function queryOf(query: object): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  return given.length === 0 ? '' : `?${new URLSearchParams(given.map(([name, value]) => [name, `${value}`]))}`
}
