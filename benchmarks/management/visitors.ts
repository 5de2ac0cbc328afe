import { Agent, type IncomingMessage, request } from 'node:http'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Visited } from './commands.ts'

/** Each client asks this often, in ms: before its connection is closed for doing nothing. */
const EVERY_MS = 4_000

/** Of so many clients one listens to events instead. */
const LISTENER_EVERY = 20

/** Longer than this, in ms, nobody waits. */
const LIMIT_MS = 10_000

/** What is asked, and what is to be answered; or that it is too much. */
const visits: ReadonlyArray<Readonly<Visit>> = [
  { path: '/healthz', status: 200, begins: '{"status":"healthy"' },
  { path: '/status', status: 200, begins: '{"service":"bitswap-protection"' },
  { path: '/metrics', status: 200, begins: '# HELP' },
  { path: '/status/peers', status: 200, begins: '{"page":1' },
  { path: '/status/peers?sort=success_rate&size=100&page=2', status: 200, begins: '{"page":2' },
  { path: '/api/v1/bitswap/status', status: 200, begins: '{' },
  { path: '/api/v1/secure-channel/status', status: 200, begins: '{"endpoint"' },
  { path: '/api/v1/history', status: 200, begins: '{"interval_ms"' },
  { path: '/status', token: 'not the one', status: 401, begins: '{"error":{"code":"UNAUTHORIZED"' },
  { path: '/../../etc/passwd', status: 404, begins: '{"error":{"code":"NOT_FOUND"' }
]

interface Visit {
  readonly path: string
  readonly status: number
  readonly begins: string
  readonly token?: string
}

/** Many clients, each with a connection of its own, that look at a server again and again. */
export class Visitors {
  readonly #url: URL
  readonly #authToken: string
  readonly #agents: Agent[] = []
  readonly #timers: NodeJS.Timeout[] = []
  readonly #statuses: Record<string, number> = {}
  #requests = 0
  #wrong = 0
  #firstWrong: string | undefined
  /** How many are there, and were at most. */
  readonly #sockets = new Set<Socket>()
  #connections = 0
  #events = 0
  #isEnding = false

  constructor(url: string, authToken: string) {
    this.#url = new URL(url)
    this.#authToken = authToken
  }

  /** Has so many look, one after the other in the time between two visits of one. */
  start(count: number): void {
    for (let number = 0; number < count; number++) {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      this.#agents.push(agent)
      const begin = (): void => {
        if (number % LISTENER_EVERY === 0) void this.#listen(agent)
        else this.#visitAgain(agent, number)
      }
      this.#timers.push(setTimeout(begin, (EVERY_MS * number) / count))
    }
  }

  stop(): Visited {
    this.#isEnding = true
    for (const timer of this.#timers) clearTimeout(timer)
    for (const agent of this.#agents) agent.destroy()
    return {
      requests: this.#requests,
      statuses: this.#statuses,
      wrong: this.#wrong,
      firstWrong: this.#firstWrong,
      connections: this.#connections,
      events: this.#events
    }
  }

  #visitAgain(agent: Agent, number: number): void {
    let next = number
    const visit = (): void => void this.#visit(agent, visits[next++ % visits.length]!)
    visit()
    this.#timers[number] = setInterval(visit, EVERY_MS)
  }

  async #visit(agent: Agent, { path, status, begins, token = this.#authToken }: Visit): Promise<void> {
    try {
      const response = await this.#ask(agent, path, token)
      const body = await text(response)
      this.#requests++
      const got = response.statusCode!
      this.#statuses[got] = (this.#statuses[got] ?? 0) + 1
      const isTooMuch = got === 429 && Number(response.headers['retry-after']) > 0
      if (!isTooMuch && (got !== status || !body.startsWith(begins))) this.#note(`${path}: ${got} ${body}`)
    } catch (error) {
      this.#note(`${path}: ${error}`)
    }
  }

  async #listen(agent: Agent): Promise<void> {
    try {
      const response = await this.#ask(agent, '/api/v1/events', this.#authToken)
      this.#statuses[response.statusCode!] = (this.#statuses[response.statusCode!] ?? 0) + 1
      response.setEncoding('utf8').on('data', (part: string) => {
        this.#events += part.split('\nevent: ').length - 1
      })
      response.on('error', () => {})
    } catch (error) {
      this.#note(`/api/v1/events: ${error}`)
    }
  }

  #ask(agent: Agent, path: string, token: string): Promise<IncomingMessage> {
    const { hostname, port } = this.#url
    return new Promise((resolve, reject) => {
      const headers = { 'x-auth-token': token }
      request({ agent, hostname, port, path, headers, timeout: LIMIT_MS })
        .on('socket', socket => this.#connected(socket))
        .on('response', resolve)
        .on('error', reject)
        .on('timeout', () => reject(new Error('no answer in time')))
        .end()
    })
  }

  #note(what: string): void {
    if (this.#isEnding) return
    this.#wrong++
    this.#firstWrong ??= what.slice(0, 200)
  }

  #connected(socket: Socket): void {
    if (this.#sockets.has(socket)) return
    this.#sockets.add(socket)
    this.#connections = Math.max(this.#connections, this.#sockets.size)
    socket.once('close', () => this.#sockets.delete(socket))
  }
}
