import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Problem } from '../problem.ts'
import { ProblemBody, type RouteContext } from './route-context.ts'

/** How long a block is looked for, in ms. */
const FETCH_TIMEOUT_MS = 30_000

/** What a block is, as a trustless gateway sends it (specs.ipfs.tech/http-gateways/trustless-gateway). */
const RAW = 'application/vnd.ipld.raw'

const Cid = Type.Object({ cid: Type.String({ minLength: 1, maxLength: 256 }) })
const Block = Type.Unsafe<Uint8Array>({ description: 'The block as it is' })
const Format = Type.Object({ format: Type.Optional(Type.Literal('raw')) })

/** Blocks, fetched from peers if they are not here. */
export function blockRoutes({ managed, look }: RouteContext): FastifyPluginAsyncTypebox {
  return async server => {
    const { blocks } = managed
    if (blocks === undefined) return
    server.get(
      '/ipfs/:cid',
      {
        preParsing: look,
        schema: {
          params: Cid,
          querystring: Format,
          response: { 200: Block, 400: ProblemBody, 504: ProblemBody }
        }
      },
      async ({ params: { cid } }, reply) => {
        if (!blocks.isCid(cid)) throw new Problem('BAD_REQUEST', `${cid} is no CID`)
        const gone = new AbortController()
        reply.raw.once('close', () => gone.abort())
        const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(FETCH_TIMEOUT_MS)])
        const block = await blocks.get(cid, signal).catch(() => {
          throw new Problem('NOT_FETCHED', `No peer has sent ${cid}`)
        })
        // What has this CID never changes; but not everybody may see it.
        return reply
          .headers({ etag: `"${cid}.raw"`, 'cache-control': 'private, max-age=29030400, immutable' })
          .type(RAW)
          .send(Buffer.from(block.buffer, block.byteOffset, block.length))
      }
    )
  }
}
