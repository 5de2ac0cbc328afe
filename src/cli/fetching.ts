import { unixfs } from '@helia/unixfs'
import type { BitswapProtectionInit } from '../bitswap/index.ts'
import { BlockReader } from './block-reader.ts'
import { CommandError, messageOf } from './command-error.ts'
import { exitCodes } from './exit-codes.ts'
import type { FetchRequest } from './fetch-request.ts'
import { FetchTally } from './fetch-tally.ts'
import { type Output, openOutput } from './output.ts'
import { type PeerReport, peerReport, peerReportText } from './peer-report.ts'
import { type ProtectedNode, startProtectedNode } from './protected-node.ts'
import { Providers } from './providers.ts'
import { StallTimer } from './stall-timer.ts'
import type { Progress } from './terminal/progress-line.ts'
import { bytesText, countText, durationText } from './terminal/quantities.ts'
import { harmless } from './terminal/visible-text.ts'
import { unlessAborted } from './unless-aborted.ts'

/** Blocks asked for at once: enough to keep a distant peer busy, and little to hold in memory. */
const BLOCKS_AT_ONCE = 32
/** After this share of the patience without progress, all connections are made anew. */
const RENEW_AFTER = 0.4
/** How long a node may take to stop. */
const STOP_LIMIT_MS = 1000

/** A file on its way from peers to its place. */
export class Fetching {
  readonly tally = new FetchTally()
  readonly #request: FetchRequest
  readonly #ending = new AbortController()
  readonly #signal: AbortSignal
  #providers: Providers | undefined
  #node: ProtectedNode | undefined
  #stall: StallTimer | undefined
  #lastPeers: readonly PeerReport[] | undefined

  /** @param signal - its reason is what {@link run} fails with once it is aborted */
  constructor(request: FetchRequest, signal: AbortSignal) {
    this.#request = request
    this.#signal = AbortSignal.any([signal, this.#ending.signal])
  }

  get progress(): Progress {
    const { doneBytes, totalBytes, bytesPerSecond } = this.tally
    const connectedPeers = this.#providers?.readyCount ?? 0
    return { doneBytes, totalBytes, bytesPerSecond, connectedPeers, idleMs: this.#stall?.idleMs ?? 0 }
  }

  /** What is known of each peer. */
  get peers(): readonly PeerReport[] {
    if (this.#lastPeers !== undefined) return this.#lastPeers
    const { protection } = this.#node?.libp2p.services ?? {}
    if (protection === undefined || this.#providers === undefined) return []
    return this.#providers.states.map(state =>
      peerReport(state, this.tally.blocksFrom(state.peerId), protection)
    )
  }

  /**
   * Fetches the file and writes it. To be called once.
   *
   * @throws CommandError
   */
  async run(): Promise<void> {
    this.#signal.throwIfAborted()
    // Before anything else: what cannot be written need not be fetched.
    await using output = await openOutput(this.#request.outputPath)
    // The exporter leaves what fails below the first level of a file to nobody; and what is aborted may fail later.
    process.on('unhandledRejection', error => this.#ending.abort(fetchError(error)))
    using stall = new StallTimer(this.#request.patienceMs, RENEW_AFTER, {
      onStall: () => this.#providers?.renew(),
      onGiveUp: () => this.#ending.abort(this.#timeoutError())
    })
    this.#stall = stall
    try {
      // An aborted `get` of Helia may take ten seconds to say so.
      await unlessAborted(this.#transfer(output), this.#signal)
      await output.finish()
    } catch (error) {
      throw this.#signal.aborted ? this.#signal.reason : fetchError(error)
    } finally {
      // As they were, not as stopping leaves them.
      this.#lastPeers = this.peers
      this.tally.end()
      this.#ending.abort()
      await this.#stop()
    }
  }

  async #transfer(output: Output): Promise<void> {
    const blockstore = await this.#connect()
    const files = unixfs({ blockstore })
    const size = await this.#fileSize(files)
    this.tally.totalBytes = size
    for await (const bytes of files.cat(this.#request.cid, { signal: this.#signal })) {
      this.#signal.throwIfAborted()
      await output.write(bytes)
      this.tally.addBytes(bytes.length)
      this.#stall?.restart()
    }
    const { doneBytes } = this.tally
    if (doneBytes !== size) throw failed(`the file should have ${size} bytes, but has ${doneBytes}`)
  }

  async #connect(): Promise<BlockReader> {
    const { providers } = this.#request
    this.#node = await startProtectedNode(protectionFor(providers.length))
    this.#signal.throwIfAborted()
    this.#providers = new Providers(this.#node.libp2p, providers, this.#signal)
    if (!(await this.#providers.connect())) throw this.#unreachableError()
    this.#stall?.restart()
    return new BlockReader(this.#node.blockstore, BLOCKS_AT_ONCE, this.#signal, block => {
      this.tally.addBlock(block)
      this.#stall?.restart()
    })
  }

  async #fileSize(files: ReturnType<typeof unixfs>): Promise<number> {
    const stat = await files.stat(this.#request.cid, { signal: this.#signal })
    if (stat.type === 'directory') throw failed(`not a file: ${this.#request.cid} is a directory`)
    return Number(stat.size)
  }

  async #stop(): Promise<void> {
    const limit = Promise.withResolvers<void>()
    const timer = setTimeout(limit.resolve, STOP_LIMIT_MS)
    await Promise.race([this.#node?.stop(), limit.promise])
    clearTimeout(timer)
  }

  #unreachableError(): CommandError {
    const count = this.#request.providers.length
    const summary =
      count === 1 ? 'the peer could not be reached' : `none of the ${count} peers could be reached`
    const details = this.peers.map(({ peerId, problem }) => `${peerId}: ${problem}`)
    return new CommandError(exitCodes.unreachable, summary, details)
  }

  #timeoutError(): CommandError {
    const { doneBytes, totalBytes, blocks } = this.tally
    const sofar =
      totalBytes === undefined
        ? 'nothing of the file came'
        : `${bytesText(doneBytes)} of ${bytesText(totalBytes)} came (${countText(blocks, 'block')})`
    const summary = `no progress for ${durationText(this.#request.patienceMs)}; ${sofar}`
    return new CommandError(exitCodes.timeout, summary, this.peers.map(peerReportText))
  }
}

/** A fetch is short: a peer that is passed over soon gets another chance. */
function protectionFor(providers: number): BitswapProtectionInit {
  return {
    breaker: { timeoutMs: 5000, maxTimeoutMs: 60_000 },
    recovery: { recoveryIntervalMs: 1000, cooldownPeriodMs: 5000 },
    mode: providers === 1 ? 'observe' : 'enforce'
  }
}

function failed(message: string): CommandError {
  return new CommandError(exitCodes.failed, message)
}

/** What the reading of a file can end with, in words of this program. */
function fetchError(error: unknown): CommandError {
  if (error instanceof CommandError) return error
  const { name } = Object(error) as { name?: string }
  const message = harmless(messageOf(error))
  if (name === 'OverReadError' || name === 'UnderReadError') {
    return failed('the file is malformed: its parts do not add up to its size')
  }
  if (name === 'NotUnixFSError' || name === 'NotAFileError') return failed(`not a file: ${message}`)
  return failed(`fetching failed: ${message}`)
}
