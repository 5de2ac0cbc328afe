import type { FastifyRequest } from 'fastify'
import { Registry } from 'prom-client'
import { type Clock, systemClock } from '../core/index.ts'
import { listenTo, registerMetrics } from '../telemetry/index.ts'
import { Access, type Visitor } from './access.ts'
import { EventStreams } from './event-streams.ts'
import { createHttpServer, type Server } from './http-server.ts'
import type { Managed } from './managed.ts'
import { type ManagementOptions, resolveManagementOptions } from './management-options.ts'
import type { Problem } from './problem.ts'
import { alertRoutes } from './routes/alert-routes.ts'
import { bitswapRoutes } from './routes/bitswap-routes.ts'
import { blockRoutes } from './routes/block-routes.ts'
import { eventRoutes } from './routes/event-routes.ts'
import { healthRoutes, isHealth } from './routes/health-routes.ts'
import { historyRoutes } from './routes/history-routes.ts'
import { pageRoutes } from './routes/page-routes.ts'
import { relayRoutes } from './routes/relay-routes.ts'
import type { RouteContext } from './routes/route-context.ts'
import { SharedAnswers } from './shared-answers.ts'
import type { ServiceFacts } from './wire/enhanced-status.ts'

/** How long requests under way are waited for in the end, in ms. */
const CLOSE_GRACE_MS = 5_000

/** What a server can be given instead of what it makes or takes itself. */
export interface ManagementComponents {
  readonly clock?: Clock
  /** What is shown under `/metrics` besides. */
  readonly registry?: Registry
  /** Told of what went wrong in the server itself. */
  readonly onError?: (error: unknown) => void
  /** Told who has steered what, and who was turned away: for an audit log. */
  readonly onAction?: (type: string, fields: object) => void
}

/** Shows nodes, pools and channels over HTTP, and lets who has the token steer them. Nothing runs before {@link start}. */
export class ManagementServer implements AsyncDisposable {
  readonly #managed: Managed
  readonly #options: Readonly<ManagementOptions>
  readonly #clock: Clock
  readonly #registry: Registry
  readonly #onError: (error: unknown) => void
  readonly #onAction: (type: string, fields: object) => void
  readonly #access: Access
  readonly #streams: EventStreams
  readonly #answers: SharedAnswers
  #server: Server | undefined
  /** Each ends something that was begun with the server. */
  #ends: ReadonlyArray<() => void> = []
  #isDraining = false
  #startedAtMs = 0

  /** @throws InvalidOptionError */
  constructor(managed: Managed, options?: Partial<ManagementOptions>, components: ManagementComponents = {}) {
    const { clock = systemClock, registry = new Registry() } = components
    const { onError = () => {}, onAction = () => {} } = components
    this.#managed = managed
    this.#options = resolveManagementOptions(options)
    this.#clock = clock
    this.#registry = registry
    this.#onError = onError
    this.#onAction = onAction
    this.#access = new Access(this.#options.authToken)
    this.#streams = new EventStreams(clock)
    this.#answers = new SharedAnswers(clock)
  }

  /** Where it listens, as in `http://127.0.0.1:9090`; `undefined` while it does not. */
  get url(): string | undefined {
    return this.#server?.listeningOrigin
  }

  /** Listens from now on. @throws what the system says, such as that the port is taken */
  async start(): Promise<void> {
    if (this.#server !== undefined) return
    const { bitswap, pools = [], channels = [], alerts } = this.#managed
    const server = await this.#create()
    this.#server = server
    this.#startedAtMs = this.#clock.now()
    try {
      await server.listen({ host: this.#options.host, port: this.#options.port })
    } catch (error) {
      this.#server = undefined
      await server.close()
      throw error
    }
    const sources = { bitswap: bitswap ? [bitswap] : [], pools, channels }
    this.#ends = [
      registerMetrics(this.#registry, sources),
      listenTo(sources, (type, fields) => this.#happened(type, fields)),
      ...(alerts ? [alerts.onAlert(alert => this.#happened('alert', alert))] : [])
    ]
  }

  /** From now on it says that it is not ready, so that nothing new comes; all else is answered as before. */
  drain(): void {
    this.#isDraining = true
    this.#answers.clear()
  }

  /** Answers what is under way, for some seconds at most, and listens no more. */
  async stop(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    for (const end of this.#ends) end()
    this.#streams.close()
    const cancel = this.#clock.schedule(() => server.server.closeAllConnections(), CLOSE_GRACE_MS)
    await server.close()
    cancel()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #service(): ServiceFacts {
    const { serviceName, version } = this.#options
    return {
      name: serviceName,
      version,
      isDraining: this.#isDraining,
      uptimeMs: this.#clock.now() - this.#startedAtMs,
      nowMs: this.#clock.wallTime()
    }
  }

  /** @throws Problem */
  #admit(request: FastifyRequest, right: 'look' | 'steer'): void {
    try {
      this.#access[right](visitor(request))
    } catch (error) {
      this.#note(request, 'refused', { path: request.routeOptions.url, code: (error as Problem).code })
      throw error
    }
  }

  /** Tells who listens, and answers nobody as if it had not happened. */
  #happened(type: string, fields: object): void {
    this.#answers.clear()
    this.#streams.tell(type, fields)
  }

  #note({ ip }: FastifyRequest, deed: string, fields: object): void {
    this.#onAction(`management:${deed}`, { ...fields, from: ip })
  }

  async #create(): Promise<Server> {
    const server = await createHttpServer(this.#options, isHealth, this.#onError)
    const context: RouteContext = {
      managed: this.#managed,
      registry: this.#registry,
      service: () => this.#service(),
      look: async request => this.#admit(request, 'look'),
      shown: {
        preParsing: async request => this.#admit(request, 'look'),
        preHandler: async (request, reply) => (this.#answers.repeat(request, reply) ? reply : undefined),
        onSend: async (request, reply, body) => this.#answers.keep(request, reply, body)
      },
      steer: async request => this.#admit(request, 'steer'),
      note: (request, deed, fields) => {
        this.#answers.clear()
        this.#note(request, deed, fields)
      }
    }
    await server.register(healthRoutes(context))
    await server.register(relayRoutes(context))
    await server.register(bitswapRoutes(context))
    await server.register(alertRoutes(context))
    await server.register(historyRoutes(context))
    await server.register(blockRoutes(context))
    await server.register(eventRoutes(context, this.#streams))
    await server.register(pageRoutes(context, this.#access.canSteer))
    server.get('/openapi.json', { preParsing: context.look }, () => server.swagger())
    return server
  }
}

/** Prometheus can send a token only as bearers do. */
function visitor({ headers }: FastifyRequest): Visitor {
  const token = headers['x-auth-token'] ?? /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1]
  return { host: headers.host ?? '', token: typeof token === 'string' ? token : undefined }
}
