import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Registry } from 'prom-client'
import { Type } from 'typebox'
import type { Managed } from '../managed.ts'
import type { ServiceFacts } from '../wire/enhanced-status.ts'

/** Whoever is told that it is not well, or not ready, may ask again after this long, in seconds. */
export const RETRY_AFTER_S = 5

/** What all routes have in common. */
export interface RouteContext {
  readonly managed: Managed
  readonly registry: Registry
  service(): ServiceFacts
  /** Hooks that let nobody through who may not look, or steer. */
  look(request: FastifyRequest): Promise<void>
  steer(request: FastifyRequest): Promise<void>
  /** Those of what is shown to whoever may look, in the same way to all who ask at about the same time. */
  readonly shown: {
    preParsing(request: FastifyRequest): Promise<void>
    preHandler(request: FastifyRequest, reply: FastifyReply): Promise<unknown>
    onSend(request: FastifyRequest, reply: FastifyReply, body: unknown): Promise<void>
  }
  /** Tells what was done, and by whom. */
  note(request: FastifyRequest, deed: 'isolate' | 'release' | 'mode', fields: object): void
}

/** How errors are answered. */
export const ProblemBody = Type.Object({
  error: Type.Object({ code: Type.String(), message: Type.String() }, { additionalProperties: true })
})
