import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { Problem } from '../problem.ts'
import type { RouteContext } from './route-context.ts'

/** What the dashboard is made of; the build copies it. */
const FOLDER = new URL('../dashboard/', import.meta.url)

const contentTypes: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml'
}

/** Nothing inline, nothing from elsewhere, in nobody's frame. */
const POLICY =
  "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** No text becomes markup or code either. */
const DASHBOARD_POLICY = `${POLICY}; require-trusted-types-for 'script'; trusted-types 'none'`

/** Swagger UI has its pictures in its style sheet. */
const DOCS_POLICY = `${POLICY}; img-src 'self' data:`

const documents: readonly string[] = ['/docs/json', '/docs/yaml']

const File = Type.Object({ file: Type.String() })

/** A file as it is sent. */
interface Asset {
  readonly type: string
  readonly tag: string
  readonly body: Buffer
}

/**
 * Pages for people: the dashboard, and what the API is. There is no data in them, and a browser cannot send a token with an address;
 * so they need none. What they ask the server for needs it.
 *
 * @param hasToken - whether the server has one; if not, pages are shown to those who may look
 */
export function pageRoutes({ look }: RouteContext, hasToken: boolean): FastifyPluginAsyncTypebox {
  const visit = async (request: FastifyRequest): Promise<void> => (hasToken ? undefined : look(request))
  return async server => {
    const assets = await readAssets()
    const schema = { hide: true }

    server.get('/', { preParsing: visit, schema }, (request, reply) =>
      send(assets.get('index.html')!, request, reply)
    )

    // Addresses in the page are relative, so it is at one place; where that is, a proxy may have decided.
    server.get('/dashboard', { preParsing: visit, schema }, (request, reply) =>
      reply.redirect(/^[^?]*\/(?:\?|$)/.test(request.url) ? '../' : './')
    )

    server.get(
      '/dashboard/:file',
      { preParsing: visit, schema: { ...schema, params: File } },
      (request, reply) => {
        const asset = assets.get(request.params.file)
        if (asset === undefined) throw new Problem('NOT_FOUND', 'The dashboard has no such file')
        return send(asset, request, reply)
      }
    )

    await server.register(async docs => {
      docs.addHook('preParsing', request =>
        documents.includes(request.routeOptions.url ?? '') ? look(request) : visit(request)
      )
      await docs.register(swaggerUi, {
        routePrefix: '/docs',
        staticCSP: DOCS_POLICY,
        theme: { title: 'API documentation' },
        // A proxy may have the server in a folder. Both are seen from where they are: the page, and this document.
        indexPrefix: '.',
        transformSpecification: document => ({ ...document, servers: [{ url: '..' }] }),
        // It has plain objects for requests and responses, whatever its types say.
        uiConfig: {
          layout: 'BaseLayout',
          requestInterceptor: withToken as never,
          responseInterceptor: orToDashboard as never
        }
      })
    })
  }
}

async function readAssets(): Promise<ReadonlyMap<string, Asset>> {
  const assets = new Map<string, Asset>()
  for (const name of await readdir(FOLDER)) {
    const type = contentTypes[name.split('.').at(-1)!]
    if (type === undefined) continue
    const body = await readFile(new URL(name, FOLDER))
    assets.set(name, { type, tag: `"${createHash('sha256').update(body).digest('base64url')}"`, body })
  }
  return assets
}

/** The file, unless the browser has it. */
function send({ type, tag, body }: Asset, { headers }: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.headers({ etag: tag, 'cache-control': 'no-cache', 'content-security-policy': DASHBOARD_POLICY })
  if (headers['if-none-match']?.split(/,\s*/).includes(tag)) return reply.status(304).send()
  return reply.type(type).send(body)
}

// These two run in the page of Swagger UI, which is sent their source: they may use nothing from here.

/** Whoever has given the token to the dashboard need not give it again. */
function withToken(request: { headers: Record<string, string> }): object {
  const token = sessionStorage.getItem('auth-token')
  if (token !== null && !request.headers['X-Auth-Token']) request.headers['X-Auth-Token'] = token
  return request
}

/** Without the token there is nothing to see: the dashboard asks for it, and leads back. */
function orToDashboard(response: { status: number; url: string }): object {
  if (response.status === 401 && response.url.endsWith('/docs/json'))
    location.replace(new URL('../#docs', response.url))
  return response
}
