import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../core/index.ts'

/** An answer is given to others for so long, in ms: less than people notice. */
const MAX_AGE_MS = 250

/** So many different ones are kept; there are not many who ask for something of their own. */
const MAX_KEPT = 32

interface Answer {
  readonly contentType: string
  readonly body: string
}

/**
 * What was answered just now, for others who ask the same: so many who look cost what one does, and what is looked at hardly notices.
 * Nothing is kept of before something happened.
 */
export class SharedAnswers {
  readonly #clock: Clock
  readonly #answers = new Map<string, Answer>()
  /** When all that is kept is too old. */
  #staleAtMs = -Infinity

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Answers a request as another was. Returns whether there is such an answer. */
  repeat({ url }: FastifyRequest, reply: FastifyReply): boolean {
    const answer = this.#clock.now() < this.#staleAtMs && this.#answers.get(url)
    if (!answer) return false
    reply.type(answer.contentType).send(answer.body)
    return true
  }

  /** Keeps what a request is answered with, if all is well. */
  keep({ url }: FastifyRequest, reply: FastifyReply, body: unknown): void {
    if (reply.statusCode !== 200 || typeof body !== 'string') return
    const now = this.#clock.now()
    if (now >= this.#staleAtMs) {
      this.#answers.clear()
      this.#staleAtMs = now + MAX_AGE_MS
    }
    if (this.#answers.size < MAX_KEPT)
      this.#answers.set(url, { contentType: String(reply.getHeader('content-type')), body })
  }

  /** Something has happened. */
  clear(): void {
    this.#answers.clear()
  }
}
