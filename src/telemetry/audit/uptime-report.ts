import { ALIVE_INTERVAL_MS, type RecordedService } from './recorded-uptime.ts'

/** Nothing was written for longer than this, in ms: then nobody knows how things stood. */
const MAX_GAP_MS = 2.5 * ALIVE_INTERVAL_MS

/** Peers of which it is counted how often their circuit opened. */
const MAX_PEERS = 10_000

/** Peers that are told. */
const TOP_PEERS = 10

/** A line of the audit log. */
export interface AuditEntry {
  readonly at: string
  readonly type: string
  readonly [field: string]: unknown
}

/** How long something could be used while it was watched, in ms. */
export interface Availability {
  readonly upMs: number
  readonly downMs: number
  /** From 0 to 1; `undefined` if it was not watched. */
  readonly share: number | undefined
  readonly outages: number
  readonly longestOutageMs: number
}

/** What an audit log says of how things went. Plain data. */
export interface UptimeReport {
  /** Of the first and the last entry; `undefined` if there are none. */
  readonly from: string | undefined
  readonly to: string | undefined
  /** How long the process was there, and how long it was not, in ms, and how often it was started. */
  readonly process: Availability & { readonly starts: number }
  /** One endpoint that can be used is enough. */
  readonly services: ReadonlyArray<
    Availability & { readonly name: string; readonly endpoints: readonly string[] }
  >
  readonly endpoints: ReadonlyArray<Availability & { readonly endpoint: string }>
  readonly failovers: { readonly count: number; readonly ms: number }
  readonly peers: {
    readonly opened: number
    readonly recovered: number
    /** Those whose circuit opened most often. */
    readonly worst: ReadonlyArray<{ readonly peer: string; readonly opened: number }>
  }
  /** How often each thing happened. */
  readonly counts: Readonly<Record<string, number>>
  /** Entries that could not be written. */
  readonly lost: number
}

/** Adds up how long something could be used. */
class Uptime {
  #upMs = 0
  #downMs = 0
  #outages = 0
  #outageMs = 0
  #longestMs = 0

  pass(ms: number, isUp: boolean): void {
    if (isUp) {
      this.#upMs += ms
      this.#outageMs = 0
      return
    }
    if (this.#outageMs === 0 && ms > 0) this.#outages++
    this.#downMs += ms
    this.#outageMs += ms
    this.#longestMs = Math.max(this.#longestMs, this.#outageMs)
  }

  read(): Availability {
    const allMs = this.#upMs + this.#downMs
    return {
      upMs: this.#upMs,
      downMs: this.#downMs,
      share: allMs > 0 ? this.#upMs / allMs : undefined,
      outages: this.#outages,
      longestOutageMs: this.#longestMs
    }
  }
}

/** A service, and how long it could be used. */
interface ServiceUptime extends Pick<RecordedService, 'name' | 'endpoints'> {
  readonly uptime: Uptime
  isFailedOver: boolean
}

/** Takes the entries of an audit log, from the first to the last, and tells how things went. */
export class UptimeReader {
  readonly #sinceMs: number
  #from: string | undefined
  #to: string | undefined
  /** Of the entry before, in ms since 1970. */
  #atMs = Number.NaN
  #failoverMs = 0
  #lost = 0
  readonly #process = new Uptime()
  readonly #endpoints = new Map<string, Uptime>()
  readonly #services = new Map<string, ServiceUptime>()
  /** Those that the process has that is there now; another had others, perhaps. */
  #watched: readonly ServiceUptime[] = []
  readonly #down = new Set<string>()
  readonly #opened = new Map<string, number>()
  readonly #counts = new Map<string, number>()

  /** @param sinceMs - from when on it is told how things went, in ms since 1970; what was before only says how they stood */
  constructor(sinceMs = -Infinity) {
    this.#sinceMs = sinceMs
  }

  take(entry: AuditEntry): void {
    const atMs = Date.parse(entry.at)
    const isTold = atMs >= this.#sinceMs
    if (isTold) {
      this.#pass(atMs - Math.max(this.#atMs, this.#sinceMs), entry.type === 'daemon:start')
      this.#count(entry)
      this.#from ??= entry.at
      this.#to = entry.at
    }
    this.#atMs = atMs
    this.#note(entry)
  }

  report(): UptimeReport {
    const worst = [...this.#opened].sort(([, one], [, other]) => other - one).slice(0, TOP_PEERS)
    return {
      from: this.#from,
      to: this.#to,
      process: { starts: this.#countOf('daemon:start'), ...this.#process.read() },
      services: [...this.#services.values()].map(({ name, endpoints, uptime }) => ({
        name,
        endpoints,
        ...uptime.read()
      })),
      endpoints: [...this.#endpoints].map(([endpoint, uptime]) => ({ endpoint, ...uptime.read() })),
      failovers: { count: this.#countOf('failover'), ms: this.#failoverMs },
      peers: {
        opened: [...this.#opened.values()].reduce((sum, count) => sum + count, 0),
        recovered: this.#countOf('recovery:complete'),
        worst: worst.map(([peer, opened]) => ({ peer, opened }))
      },
      counts: Object.fromEntries(this.#counts),
      lost: this.#lost
    }
  }

  #countOf(type: string): number {
    return this.#counts.get(type) ?? 0
  }

  /** So much time went by since the entry before, in which everything was as that left it. */
  #pass(ms: number, isStart: boolean): void {
    // Before the first entry, or if the clock was put back.
    if (!(ms > 0)) return
    const isThere = !isStart && ms <= MAX_GAP_MS
    this.#process.pass(ms, isThere)
    if (!isThere) return
    const isUp = (endpoint: string): boolean => !this.#down.has(endpoint)
    const watched = new Set(this.#watched.flatMap(({ endpoints }) => endpoints))
    for (const endpoint of watched) this.#endpoints.get(endpoint)!.pass(ms, isUp(endpoint))
    for (const { endpoints, uptime } of this.#watched) uptime.pass(ms, endpoints.some(isUp))
    if (this.#watched.some(({ isFailedOver }) => isFailedOver)) this.#failoverMs += ms
  }

  #count({ type, peer, entries }: AuditEntry): void {
    this.#counts.set(type, (this.#counts.get(type) ?? 0) + 1)
    if (type === 'audit:lost') this.#lost += Number(entries)
    if (type !== 'circuit:open' || typeof peer !== 'string') return
    const opened = this.#opened.get(peer)
    if (opened !== undefined || this.#opened.size < MAX_PEERS) this.#opened.set(peer, (opened ?? 0) + 1)
  }

  /** How things stand from now on. */
  #note({ type, endpoint, down, services }: AuditEntry): void {
    if (Array.isArray(services)) this.#watch(services as readonly RecordedService[])
    if (Array.isArray(down)) this.#set(down as string[])
    if (typeof endpoint !== 'string') return
    if (type === 'failover' || type === 'failback') this.#turn(endpoint, type === 'failover')
    if (type === 'node:down' || type === 'circuit:open') this.#down.add(endpoint)
    if (type === 'node:up' || type === 'circuit:close') this.#down.delete(endpoint)
  }

  #watch(services: readonly RecordedService[]): void {
    this.#watched = services.map(({ name, endpoints, isFailedOver }) => {
      const key = `${name} ${endpoints.join()}`
      const service = this.#services.get(key) ?? { name, endpoints, isFailedOver, uptime: new Uptime() }
      service.isFailedOver = isFailedOver
      this.#services.set(key, service)
      for (const endpoint of endpoints)
        if (!this.#endpoints.has(endpoint)) this.#endpoints.set(endpoint, new Uptime())
      return service
    })
  }

  #turn(endpoint: string, isFailedOver: boolean): void {
    for (const service of this.#watched)
      if (service.endpoints.includes(endpoint)) service.isFailedOver = isFailedOver
  }

  #set(down: readonly string[]): void {
    this.#down.clear()
    for (const endpoint of down) this.#down.add(endpoint)
  }
}
