import type { FastifyRequest } from 'fastify'
import type { Registry } from 'prom-client'
import { Type } from 'typebox'
import type { Managed } from '../managed.ts'
import type { ServiceFacts } from '../wire/enhanced-status.ts'

/** What all routes have in common. */
export interface RouteContext {
  readonly managed: Managed
  readonly registry: Registry
  service(): ServiceFacts
  /** Hooks that let nobody through who may not look, or steer. */
  look(request: FastifyRequest): Promise<void>
  steer(request: FastifyRequest): Promise<void>
}

/** How errors are answered. */
export const ProblemBody = Type.Object({
  error: Type.Object({ code: Type.String(), message: Type.String() }, { additionalProperties: true })
})
