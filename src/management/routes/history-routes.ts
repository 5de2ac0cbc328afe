import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Problem } from '../problem.ts'
import { History, history } from '../wire/history.ts'
import { ProblemBody, type RouteContext } from './route-context.ts'

/** An hour, with the interval that is the default. */
const DEFAULT_POINTS = 360
const MAX_POINTS = 10_000

const HistoryQuery = Type.Object({
  points: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_POINTS, default: DEFAULT_POINTS }))
})

/** How things went. */
export function historyRoutes({ managed, shown }: RouteContext): FastifyPluginAsyncTypebox {
  return async server => {
    server.get(
      '/api/v1/history',
      {
        ...shown,
        schema: { querystring: HistoryQuery, response: { 200: History, 404: ProblemBody } }
      },
      ({ query }) => {
        if (managed.history === undefined) throw new Problem('NOT_FOUND', 'No history is kept here')
        return history(managed.history, query.points ?? DEFAULT_POINTS)
      }
    )
  }
}
