import type { Clock } from '../../core/index.ts'
import type { ProblemBody } from '../problem.ts'
import type { ManagementClientOptions } from './client-options.ts'
import { ManagementRequestError, ManagementUnavailableError } from './errors.ts'

/** The longest answer that is read, in bytes: 500 peers have about 300 kB. */
const MAX_ANSWER_BYTES = 16_777_216

/** No wait is longer than the first one so many times; nor than this, in ms, whatever the server says. */
const MAX_BACKOFF = 16
const MAX_RETRY_AFTER_MS = 30_000

/** With these the server says that it may answer another time. */
const passing: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504])

/** What is asked of the server. */
export interface AskedFor {
  readonly path: string
  /** What is sent as JSON, to have something done; nothing if not given. */
  readonly body?: object | undefined
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
}

/** There is no answer this time. */
class Unanswered extends Error {
  /** How long it is not to be asked again, in ms. */
  readonly atLeastMs: number

  constructor(message: string, atLeastMs = 0, cause?: unknown) {
    super(message, { cause })
    this.atLeastMs = atLeastMs
  }
}

/** Asks the server, each time with a limit of time, and again if need be: all that can be asked of it may be asked twice. */
export class Requests {
  readonly #options: Readonly<ManagementClientOptions>
  readonly #clock: Clock
  readonly #random: () => number
  readonly #fetch: typeof fetch

  constructor(
    options: Readonly<ManagementClientOptions>,
    clock: Clock,
    random: () => number,
    fetchIt: typeof fetch
  ) {
    this.#options = options
    this.#clock = clock
    this.#random = random
    this.#fetch = fetchIt
  }

  /** The answer as text. @throws ManagementRequestError, ManagementUnavailableError, the signal's reason */
  async text(request: AskedFor): Promise<string> {
    for (let attempts = 1; ; attempts++) {
      try {
        return await this.#ask(request, readAnswer)
      } catch (error) {
        if (!(error instanceof Unanswered)) throw error
        if (attempts > this.#options.retries) throw this.#unavailable(attempts, error)
        await this.wait(attempts, request.signal, error.atLeastMs)
      }
    }
  }

  /** The answer as it comes; asked for once. @throws ManagementRequestError, ManagementUnavailableError, the signal's reason */
  async stream(request: AskedFor): Promise<ReadableStream<Uint8Array>> {
    try {
      return await this.#ask(request, readStream)
    } catch (error) {
      throw error instanceof Unanswered ? this.#unavailable(1, error) : error
    }
  }

  /**
   * Waits before the server is asked again: longer each time, and a part of it by chance, so that not all come back together.
   *
   * @throws the signal's reason
   */
  async wait(attempts: number, signal: AbortSignal | undefined, atLeastMs = 0): Promise<void> {
    const backoffMs = this.#options.retryAfterMs * Math.min(2 ** (attempts - 1), MAX_BACKOFF)
    await this.sleep(Math.max(backoffMs * (0.5 + this.#random() / 2), atLeastMs), signal)
  }

  /** @throws the signal's reason */
  async sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = (): void => resolve()
    const cancel = this.#clock.schedule(wake, ms, true)
    signal?.addEventListener('abort', wake)
    await promise
    cancel()
    signal?.removeEventListener('abort', wake)
    signal?.throwIfAborted()
  }

  #unavailable(attempts: number, why: Unanswered): ManagementUnavailableError {
    return new ManagementUnavailableError(this.#options.url, attempts, why)
  }

  async #ask<Answer>(
    { path, body, headers, signal }: AskedFor,
    read: (response: Response) => Promise<Answer>
  ): Promise<Answer> {
    signal?.throwIfAborted()
    const { url, authToken, userAgent, timeoutMs } = this.#options
    const limit = new AbortController()
    const endLimit = this.#clock.schedule(() => limit.abort(), timeoutMs, true)
    try {
      const response = await this.#fetch(`${url.replace(/\/+$/, '')}${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          'user-agent': userAgent,
          ...(authToken !== undefined && { 'x-auth-token': authToken }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        redirect: 'error',
        signal: signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal])
      })
      return await read(response)
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof ManagementRequestError || error instanceof Unanswered) throw error
      if (limit.signal.aborted) throw new Unanswered(`there was no answer within ${timeoutMs} ms`)
      throw new Unanswered(reasonOf(error), 0, error)
    } finally {
      endLimit()
    }
  }
}

/** That a service is not well is said with 503, and an answer all the same. */
async function readAnswer(response: Response): Promise<string> {
  const text = await readText(response)
  const isAnswer =
    response.ok || (response.status === 503 && problemOf(text) === undefined && isJson(response))
  if (isAnswer) return text
  throw refusal(response, text)
}

async function readStream(response: Response): Promise<ReadableStream<Uint8Array>> {
  if (response.ok && response.body !== null) return response.body
  throw refusal(response, await readText(response))
}

async function readText({ body }: Response): Promise<string> {
  if (body === null) return ''
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > MAX_ANSWER_BYTES) throw new Unanswered(`the answer has more than ${MAX_ANSWER_BYTES} bytes`)
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

function refusal({ status, headers }: Response, text: string): Error {
  const { code = `HTTP_${status}`, message = `it was answered with ${status}` } = problemOf(text) ?? {}
  if (!passing.has(status)) return new ManagementRequestError(code, status, message)
  const retryAfterMs = Number(headers.get('retry-after') ?? 0) * 1_000
  return new Unanswered(message, Math.min(retryAfterMs || 0, MAX_RETRY_AFTER_MS))
}

/** What is wrong, if the server says so in its own words. */
function problemOf(text: string): Partial<ProblemBody['error']> | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: unknown }
    return typeof error === 'object' && error !== null ? error : undefined
  } catch {
    return undefined
  }
}

function isJson({ headers }: Response): boolean {
  return headers.get('content-type')?.startsWith('application/json') === true
}

/** Why it failed, in words: `fetch` hides that in the cause. */
function reasonOf(error: unknown): string {
  const { message, cause } = Object(error) as Partial<Error>
  return cause instanceof Error ? (cause.message ?? message) : (message ?? String(error))
}
