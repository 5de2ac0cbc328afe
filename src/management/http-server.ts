import type { IncomingMessage, ServerResponse } from 'node:http'
import cors from '@fastify/cors'
import rateLimit from '@fastify/rate-limit'
import swagger from '@fastify/swagger'
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import underPressure from '@fastify/under-pressure'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  type RawServerDefault
} from 'fastify'
import helmet from 'helmet'
import type { ManagementOptions, ServerTlsOptions } from './management-options.ts'
import { Problem, problemOf } from './problem.ts'

/** The longest body, in bytes, headers, and address that are read. */
const MAX_BODY_BYTES = 16_384
const MAX_HEADER_BYTES = 8_192
const MAX_URL_CHARACTERS = 2_048

/** How long a connection may be without a request, in ms. */
const KEEP_ALIVE_MS = 5_000

/** The loop may lag so far, in ms, until requests are refused: they must not be in the way of what is managed. */
const MAX_LOOP_LAG_MS = 1_000

/** How often it is looked whether requests take too long to arrive, in ms: Node's own 30 s would let them. */
const CHECK_INTERVAL_MS = 500

const MINUTE_MS = 60_000

const HTTP_OPTIONS = { maxHeaderSize: MAX_HEADER_BYTES, connectionsCheckingInterval: CHECK_INTERVAL_MS }

/** The server, with schemas that type what they check. */
export type Server = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

/**
 * An HTTP server without routes, that is hard to be brought down.
 *
 * @param isHealth - whether a request is to be answered also when there is too much to do
 * @param onError - told of what went wrong in the server itself
 */
export async function createHttpServer(
  options: Readonly<ManagementOptions>,
  isHealth: (request: FastifyRequest) => boolean,
  onError: (error: unknown) => void
): Promise<Server> {
  const { tls, maxConnections, maxRequestsPerMinute, requestTimeoutMs, corsOrigins } = options
  const server = Fastify({
    ...(tls && { https: httpsOptions(tls) }),
    http: HTTP_OPTIONS,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: requestTimeoutMs,
    connectionTimeout: requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: MAX_URL_CHARACTERS, ignoreTrailingSlash: true }
  }).withTypeProvider<TypeBoxTypeProvider>() as unknown as Server
  server.server.maxConnections = maxConnections
  server.setValidatorCompiler(TypeBoxValidatorCompiler)
  server.removeContentTypeParser('text/plain')
  server.addHook('onRequest', async ({ url }) => {
    if (url.length > MAX_URL_CHARACTERS)
      throw new Problem('URI_TOO_LONG', `An address may be ${MAX_URL_CHARACTERS} characters long`)
  })
  // Fastify's plugin works the headers out for each request, of which so much is left for the garbage collector that it pauses for 10 ms.
  const secure = helmet({ contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } })
  server.addHook('onRequest', ({ raw }, reply, done) => secure(raw, reply.raw, () => done()))
  await server.register(cors, { origin: corsOrigins.length > 0 ? [...corsOrigins] : false })
  await server.register(rateLimit, {
    max: maxRequestsPerMinute,
    timeWindow: MINUTE_MS,
    errorResponseBuilder: (_, { after }) =>
      new Problem('TOO_MANY_REQUESTS', `There were too many requests: come back in ${after}`)
  })
  await server.register(underPressure, {
    maxEventLoopDelay: MAX_LOOP_LAG_MS,
    pressureHandler: request => {
      if (!isHealth(request)) throw new Problem('UNAVAILABLE', 'The server has too much to do')
    }
  })
  await server.register(swagger, { openapi: document(options) })
  server.setErrorHandler((error, _, reply) => {
    const problem = problemOf(error)
    if (problem.code === 'INTERNAL_ERROR') onError(error)
    return reply.status(problem.statusCode).send(problem.body)
  })
  server.setNotFoundHandler({ preHandler: server.rateLimit() }, ({ method, url }) => {
    throw new Problem('NOT_FOUND', `There is no ${method} ${url.split('?')[0]}`)
  })
  return server
}

function httpsOptions({ key, cert, clientAuthorities }: ServerTlsOptions) {
  const clients = clientAuthorities !== undefined && {
    ca: clientAuthorities,
    requestCert: true,
    rejectUnauthorized: true
  }
  return { key, cert, minVersion: 'TLSv1.3' as const, ...HTTP_OPTIONS, ...clients }
}

function document({ serviceName, version }: Readonly<ManagementOptions>) {
  return {
    info: { title: serviceName, version },
    components: {
      securitySchemes: { token: { type: 'apiKey' as const, in: 'header' as const, name: 'X-Auth-Token' } }
    },
    security: [{ token: [] }]
  }
}
