import { Webhook } from 'standardwebhooks'
import { Alarm } from '../../core/alarm.ts'
import { systemRandom } from '../../core/clock.ts'
import { type Clock, systemClock } from '../../core/index.ts'
import { LineFile } from '../line-file.ts'
import { resolveWebhookOptions, type WebhookOptions, type WebhookType } from './webhook-options.ts'

/** Messages that are being sent at once. */
const MAX_SENDING = 8

/** Of the file of those that could not be delivered. */
const DEAD_LETTER_FILE = { maxBytes: 1_048_576, maxFiles: 2 }

/** Whoever answers so will not take it another time either; but for those that ask for patience. */
const isFinal = (status: number): boolean =>
  status >= 300 && status < 500 && ![408, 425, 429].includes(status)

/** What is sent to somebody. */
interface Message {
  readonly id: string
  readonly type: WebhookType
  readonly url: string
  readonly body: string
  attempts: number
  /** When it is sent, or sent again, in ms. */
  dueAtMs: number
}

/** What became of messages. Plain, frozen data. */
export interface WebhookStatus {
  /** Those that wait to be sent, or sent again. */
  readonly waiting: number
  readonly sending: number
  readonly delivered: number
  /** Those that could not be delivered. */
  readonly lost: number
  /** Why the last one was not taken, in words. */
  readonly lastError: string | undefined
}

/** What webhooks can be given instead of what they take themselves. */
export interface WebhookComponents {
  readonly clock?: Clock
  readonly random?: () => number
  /** Told why messages could not be delivered, or not be kept. */
  readonly onError?: (error: Error) => void
}

/**
 * Tells others what happens, over HTTP, in the form and with the signature of Standard Webhooks 1.0: whoever is not there, or
 * does not take it, is told again later, with the same id. Whoever has something to tell does not wait.
 */
export class Webhooks implements AsyncDisposable {
  readonly #options: Readonly<WebhookOptions>
  readonly #signer: Webhook | undefined
  readonly #clock: Clock
  readonly #random: () => number
  readonly #onError: (error: Error) => void
  readonly #deadLetters: LineFile | undefined
  readonly #alarm: Alarm
  readonly #ending = new AbortController()
  readonly #waiting = new Set<Message>()
  readonly #sending = new Set<Message>()
  #delivered = 0
  #lost = 0
  #lastError: string | undefined
  /** Told when nothing waits any more. */
  #onIdle: (() => void) | undefined

  /** @throws InvalidOptionError */
  constructor(options: Partial<WebhookOptions>, components: WebhookComponents = {}) {
    const { clock = systemClock, random = systemRandom, onError = () => {} } = components
    this.#options = resolveWebhookOptions(options)
    const { secret, deadLetterFile } = this.#options
    this.#signer = secret === undefined ? undefined : new Webhook(secret)
    this.#clock = clock
    this.#random = random
    this.#onError = error => {
      try {
        onError(error)
      } catch {
        // Nobody is left to be told.
      }
    }
    this.#deadLetters =
      deadLetterFile === undefined
        ? undefined
        : new LineFile(deadLetterFile, DEAD_LETTER_FILE, error => this.#onError(error as Error))
    this.#alarm = new Alarm(
      clock,
      () => this.#nextWake(),
      () => this.#sendDue()
    )
  }

  /** Tells whoever is to be told of such things; nobody if there is no address. */
  send(type: WebhookType, data: object): void {
    const url = this.#options.urls[type]
    if (url === undefined) return
    const timestamp = new Date(this.#clock.wallTime()).toISOString()
    const body = JSON.stringify({ type, timestamp, data })
    const message = {
      id: `msg_${crypto.randomUUID()}`,
      type,
      url,
      body,
      attempts: 0,
      dueAtMs: this.#clock.now()
    }
    if (this.#ending.signal.aborted) this.#lose(message, 'it came after the end')
    else if (this.#waiting.size >= this.#options.maxWaiting) this.#lose(message, 'too many wait already')
    else {
      this.#waiting.add(message)
      this.#sendDue()
    }
  }

  getStatus(): WebhookStatus {
    return Object.freeze({
      waiting: this.#waiting.size,
      sending: this.#sending.size,
      delivered: this.#delivered,
      lost: this.#lost,
      lastError: this.#lastError
    })
  }

  /** Waits until all is delivered or lost, but no longer than this, in ms, and ends. What is left then is lost. */
  async close(timeoutMs = 0): Promise<void> {
    if (timeoutMs > 0 && this.#isBusy) await this.#idle(timeoutMs)
    this.#alarm.stop()
    this.#ending.abort(new Error('it was not delivered before the end'))
    for (const message of this.#waiting) this.#lose(message, 'it was not delivered before the end')
    this.#waiting.clear()
    if (this.#sending.size > 0) await this.#idle()
    await this.#deadLetters?.[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  get #isBusy(): boolean {
    return this.#waiting.size + this.#sending.size > 0
  }

  async #idle(timeoutMs?: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#onIdle = resolve
    const cancel = timeoutMs === undefined ? undefined : this.#clock.schedule(resolve, timeoutMs, true)
    await promise
    cancel?.()
  }

  #nextWake(): number {
    if (this.#sending.size >= MAX_SENDING) return Infinity
    let earliest = Infinity
    for (const { dueAtMs } of this.#waiting) earliest = Math.min(earliest, dueAtMs)
    return earliest
  }

  #sendDue(): void {
    const now = this.#clock.now()
    for (const message of this.#waiting) {
      if (this.#sending.size >= MAX_SENDING) break
      if (message.dueAtMs > now) continue
      this.#waiting.delete(message)
      this.#sending.add(message)
      void this.#attempt(message)
    }
    this.#alarm.check()
  }

  async #attempt(message: Message): Promise<void> {
    message.attempts++
    const { timeoutMs } = this.#options
    const limit = new AbortController()
    const endLimit = this.#clock.schedule(
      () => limit.abort(new Error(`there was no answer within ${timeoutMs} ms`)),
      timeoutMs
    )
    try {
      const response = await fetch(message.url, {
        method: 'POST',
        headers: this.#headers(message),
        body: message.body,
        redirect: 'manual',
        signal: AbortSignal.any([this.#ending.signal, limit.signal])
      })
      await response.body?.cancel()
      if (response.ok) this.#delivered++
      else this.#refused(message, response)
    } catch (error) {
      this.#failed(message, reasonOf(error), 0)
    }
    endLimit()
    this.#sending.delete(message)
    if (this.#isBusy) this.#sendDue()
    else this.#onIdle?.()
  }

  #headers({ id, body }: Message): Record<string, string> {
    // Of this attempt: whoever receives it takes nothing that is older than some minutes.
    const sentAt = new Date(this.#clock.wallTime())
    return {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': `${Math.floor(sentAt.getTime() / 1000)}`,
      ...(this.#signer && { 'webhook-signature': this.#signer.sign(id, sentAt, body) })
    }
  }

  #refused(message: Message, { status, headers }: Response): void {
    const reason = `it was answered with ${status}`
    if (isFinal(status)) this.#lose(message, reason)
    else this.#failed(message, reason, Number(headers.get('retry-after') ?? 0) * 1000)
  }

  /** @param atLeastMs - how long it is not to be sent again; not a number if that was not told as one */
  #failed(message: Message, reason: string, atLeastMs: number): void {
    const { maxAttempts, retryAfterMs, maxRetryAfterMs } = this.#options
    if (message.attempts >= maxAttempts || this.#ending.signal.aborted) {
      this.#lose(message, reason)
      return
    }
    this.#lastError = reason
    const backoffMs = Math.min(retryAfterMs * 2 ** (message.attempts - 1), maxRetryAfterMs)
    // Half of it is chance, so that those who failed together do not come back together.
    const waitMs = backoffMs * (0.5 + this.#random() / 2)
    message.dueAtMs = this.#clock.now() + Math.min(Math.max(waitMs, atLeastMs || 0), maxRetryAfterMs)
    this.#waiting.add(message)
  }

  #lose({ id, type, url, body, attempts }: Message, reason: string): void {
    this.#lost++
    this.#lastError = reason
    const at = new Date(this.#clock.wallTime()).toISOString()
    this.#deadLetters?.write(JSON.stringify({ at, id, type, url, attempts, reason, body: JSON.parse(body) }))
    this.#onError(new Error(`A webhook of ${type} was not delivered: ${reason}`))
  }
}

/** Why it failed, in words: `fetch` hides that in the cause. */
function reasonOf(error: unknown): string {
  const { message, cause } = Object(error) as Partial<Error>
  return cause instanceof Error ? (cause.message ?? message) : (message ?? String(error))
}
