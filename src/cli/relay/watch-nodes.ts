import { type SecureChannel, type SecureChannelEvent, StateFileError } from '../../relay/index.ts'
import { CommandError, messageOf } from '../command-error.ts'
import { RelayConfig } from '../config/relay-config.ts'
import { type ExitCode, exitCodes } from '../exit-codes.ts'
import { durationText } from '../terminal/quantities.ts'
import { harmless } from '../terminal/visible-text.ts'
import type { Display } from './display.ts'
import type { Happening } from './happening.ts'
import { HeightReader } from './height-reader.ts'
import { JsonDisplay } from './json-display.ts'
import type { RelayRequest } from './relay-request.ts'
import { type Snapshot, takeSnapshot } from './snapshot.ts'
import { TextDisplay } from './text-display.ts'

/** What ends with one of these has been asked to, and tells what there was. */
const gracefulEnds: readonly ExitCode[] = [exitCodes.interrupted, exitCodes.terminated, exitCodes.hungUp]

/**
 * Uses the nodes of a config file through a channel, and tells how that goes, until its time is over or somebody ends it.
 *
 * @throws CommandError
 */
export async function watchNodes(
  request: RelayRequest,
  { json }: { readonly json: boolean },
  signal: AbortSignal
): Promise<ExitCode> {
  using config = await RelayConfig.read(request.configPath)
  const watching = new NodeWatching(config.createChannel(), request, json)
  return await watching.run(signal)
}

class NodeWatching {
  readonly #channel: SecureChannel
  readonly #request: RelayRequest
  readonly #json: boolean
  readonly #reader: HeightReader
  readonly #outages = new Map<string, number>()
  readonly #display: Display
  readonly #startedAtMs = performance.now()

  constructor(channel: SecureChannel, request: RelayRequest, json: boolean) {
    this.#channel = channel
    this.#request = request
    this.#json = json
    this.#reader = new HeightReader(channel, {
      onFailing: error => this.#tell({ event: 'requests:fail', error: harmless(messageOf(error)) }),
      onAnswered: requests => this.#tell({ event: 'requests:answered', requests })
    })
    const snapshot = (): Snapshot => this.#snapshot()
    this.#display = json ? new JsonDisplay(snapshot, request.everyMs) : new TextDisplay(snapshot)
    channel.onEvent(event => this.#onEvent(event))
  }

  async run(signal: AbortSignal): Promise<ExitCode> {
    // Its timer keeps the process until all is told: what the channel waits for does not.
    using display = this.#display
    await this.#ask(signal)
    const before = this.#snapshot()
    if (before.inFlight > 0) this.#tell({ event: 'draining', requests: before.inFlight })
    await this.#drain()
    return this.#conclude(display, before)
  }

  /** Resolves when the time is over, or somebody has ended it in good order. */
  async #ask(signal: AbortSignal): Promise<void> {
    const ended = Promise.withResolvers<void>()
    const onAbort = (): void => ended.resolve()
    signal.addEventListener('abort', onAbort)
    const { forMs, everyMs } = this.#request
    const timer = forMs === undefined ? undefined : setTimeout(ended.resolve, forMs)
    this.#channel.start().catch(error => ended.reject(startError(error)))
    this.#reader.start(everyMs)
    if (signal.aborted) onAbort()
    try {
      await ended.promise
    } finally {
      this.#reader.stop()
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
    if (!signal.aborted || isGraceful(signal.reason)) return
    await this.#channel.close()
    throw signal.reason
  }

  async #drain(): Promise<void> {
    try {
      await this.#channel.drain()
    } catch (error) {
      throw new CommandError(exitCodes.cannotWrite, `the state could not be saved: ${messageOf(error)}`)
    }
  }

  /** @param before - how things stood before the connections were closed */
  #conclude(display: Display, { nodes }: Snapshot): ExitCode {
    const exitCode = this.#reader.counts.answered > 0 ? exitCodes.ok : exitCodes.unreachable
    const durationMs = Math.round(performance.now() - this.#startedAtMs)
    display.conclude({ ...this.#snapshot(), nodes, exitCode, durationMs })
    if (exitCode !== exitCodes.ok && !this.#json)
      throw new CommandError(exitCode, `no node has answered in ${durationText(durationMs)}`)
    return exitCode
  }

  #snapshot(): Snapshot {
    return takeSnapshot(this.#channel.getStatus(), this.#reader.counts, this.#outages)
  }

  #onEvent({ type, endpoint, role, error, at }: SecureChannelEvent): void {
    if (type === 'node:down') this.#outages.set(endpoint, (this.#outages.get(endpoint) ?? 0) + 1)
    const words = error === undefined || type === 'failover' ? null : harmless(messageOf(error))
    this.#tell({ event: type, endpoint, role, error: words, atMs: at })
  }

  #tell({ event, ...more }: Partial<Happening> & Pick<Happening, 'event'>): void {
    const nothing = { endpoint: null, role: null, error: null, requests: null }
    this.#display.tell({ event, atMs: Date.now(), ...nothing, ...more })
  }
}

function isGraceful(reason: unknown): boolean {
  return reason instanceof CommandError && gracefulEnds.includes(reason.exitCode)
}

function startError(error: unknown): unknown {
  return error instanceof StateFileError ? new CommandError(exitCodes.failed, harmless(error.message)) : error
}
