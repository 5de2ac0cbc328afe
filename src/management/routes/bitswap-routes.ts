import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { InvalidOptionError, TableFullError } from '../../core/index.ts'
import type { ManagedBitswap } from '../managed.ts'
import { pageOf, peerSorts } from '../peer-page.ts'
import { Problem } from '../problem.ts'
import { CircuitStates, HealthStatuses, Peer, PeerPage, peer } from '../wire/peers.ts'
import { ProblemBody, type RouteContext } from './route-context.ts'

const PAGE_SIZE = 50
const MAX_PAGE_SIZE = 500

const PeerQuery = Type.Object({
  page: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000, default: 1 })),
  size: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_PAGE_SIZE, default: PAGE_SIZE })),
  sort: Type.Optional(Type.Enum(peerSorts, { default: 'trouble' })),
  reverse: Type.Optional(Type.Boolean({ default: false })),
  state: Type.Optional(Type.Enum([...CircuitStates])),
  health: Type.Optional(Type.Enum([...HealthStatuses])),
  connected: Type.Optional(Type.Boolean()),
  search: Type.Optional(Type.String({ minLength: 1, maxLength: 128 }))
})

const Id = Type.Object({ id: Type.String() })
const PeerBody = Type.Object({ peer: Type.String({ minLength: 1, maxLength: 128 }) })
const ModeBody = Type.Object({ mode: Type.Enum(['enforce', 'observe', 'off']) })
const Anything = Type.Object({}, { additionalProperties: true })

/** Peers, and what is done with them. */
export function bitswapRoutes({
  managed,
  look,
  shown,
  steer,
  note
}: RouteContext): FastifyPluginAsyncTypebox {
  const node = (): ManagedBitswap => {
    if (managed.bitswap === undefined) throw new Problem('NOT_FOUND', 'There is no libp2p node here')
    return managed.bitswap
  }
  return async server => {
    for (const path of ['/status/peers', '/api/v1/bitswap/peers'])
      server.get(
        path,
        {
          ...shown,
          schema: { querystring: PeerQuery, response: { 200: PeerPage, 400: ProblemBody } }
        },
        ({ query }) => {
          const { page = 1, size = PAGE_SIZE, sort = 'trouble', reverse = false } = query
          const bitswap = node()
          const { peers, total } = pageOf(bitswap, { ...query, page, size, sort, reverse })
          return { page, size, total, peers: peers.map(key => peer(bitswap.getPeerStatus(key)!)) }
        }
      )

    server.get('/api/v1/bitswap/status', { ...shown, schema: { response: { 200: Anything } } }, () =>
      node().getOverallStatus()
    )

    server.get(
      '/api/v1/bitswap/peers/:id',
      { preParsing: look, schema: { params: Id, response: { 200: Peer, 404: ProblemBody } } },
      ({ params: { id } }) => {
        const status = node().getPeerStatus(id)
        if (status === undefined) throw new Problem('NOT_FOUND', `Nothing is known of a peer ${id}`)
        return peer(status)
      }
    )

    server.get(
      '/api/v1/bitswap/explain/:id',
      { preParsing: look, schema: { params: Id, response: { 200: Anything, 404: ProblemBody } } },
      ({ params: { id } }) => {
        const explanation = node().explain(id)
        if (explanation === undefined) throw new Problem('NOT_FOUND', `Nothing is known of a peer ${id}`)
        return explanation
      }
    )

    for (const deed of ['isolate', 'release'] as const)
      server.post(
        `/api/v1/bitswap/${deed}`,
        {
          preParsing: steer,
          schema: { body: PeerBody, response: { 200: Peer, 400: ProblemBody, 404: ProblemBody } }
        },
        request => {
          const { body } = request
          const bitswap = node()
          if (deed === 'isolate') isolate(bitswap, body.peer)
          else bitswap.release(body.peer)
          note(request, deed, body)
          const status = bitswap.getPeerStatus(body.peer)
          if (status === undefined) throw new Problem('NOT_FOUND', `Nothing is known of a peer ${body.peer}`)
          return peer(status)
        }
      )

    server.post(
      '/api/v1/bitswap/mode',
      { preParsing: steer, schema: { body: ModeBody, response: { 200: ModeBody, 400: ProblemBody } } },
      request => {
        const bitswap = node()
        bitswap.mode = request.body.mode
        note(request, 'mode', request.body)
        return { mode: bitswap.mode }
      }
    )
  }
}

function isolate(bitswap: ManagedBitswap, id: string): void {
  try {
    bitswap.isolate(id)
  } catch (error) {
    if (error instanceof InvalidOptionError) throw new Problem('BAD_REQUEST', `${id} is no peer id`)
    if (error instanceof TableFullError) throw new Problem('CONFLICT', 'There is no room for another peer')
    throw error
  }
}
