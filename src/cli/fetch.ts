import { CommandError, messageOf } from './command-error.ts'
import { type ExitCode, exitCodes } from './exit-codes.ts'
import { FetchDisplay } from './fetch-display.ts'
import type { FetchRequest } from './fetch-request.ts'
import { Fetching } from './fetching.ts'
import type { PeerReport } from './peer-report.ts'
import { bytesText, countText, durationText, rateText } from './terminal/quantities.ts'

/** How to tell about it. */
export interface Telling {
  readonly json: boolean
  readonly quiet: boolean
}

/** What `--json` prints. */
export interface FetchResult {
  readonly ok: boolean
  readonly exitCode: ExitCode
  readonly cid: string
  /** `null` for standard output. */
  readonly output: string | null
  /** Bytes written, and how many there are; `null` if that is not known. */
  readonly bytes: number
  readonly totalBytes: number | null
  readonly blocks: number
  readonly durationMs: number
  readonly peers: readonly PeerReport[]
  readonly error: string | null
}

/** Fetches a file and tells how it goes. */
export async function fetchAndTell(
  request: FetchRequest,
  telling: Telling,
  signal: AbortSignal
): Promise<ExitCode> {
  const fetching = new Fetching(request, signal)
  const error = await showing(fetching, request, telling)
  if (telling.json) {
    // Standard output may be taken by the file.
    const stream = request.outputPath === undefined ? process.stderr : process.stdout
    stream.write(`${JSON.stringify(result(request, fetching, error))}\n`)
  } else {
    if (error !== undefined) throw error
    if (!telling.quiet) process.stderr.write(`${summary(request, fetching)}\n`)
  }
  return error?.exitCode ?? exitCodes.ok
}

async function showing(
  fetching: Fetching,
  request: FetchRequest,
  telling: Telling
): Promise<CommandError | undefined> {
  // A file on the screen and a bar drawn over it do not go together.
  const isOnScreen = request.outputPath === undefined && process.stdout.isTTY === true
  using _display = telling.json || telling.quiet || isOnScreen ? undefined : new FetchDisplay(fetching)
  try {
    await fetching.run()
    return undefined
  } catch (error) {
    if (error instanceof CommandError) return error
    throw error
  }
}

function summary({ cid, outputPath }: FetchRequest, { tally, peers }: Fetching): string {
  const { doneBytes, durationMs } = tally
  const givers = peers.filter(({ blocks }) => blocks > 0).length
  const how = [
    `${bytesText(doneBytes)} in ${durationText(durationMs)}`,
    rateText((doneBytes * 1000) / durationMs),
    // A file so small that its CID holds it comes from nobody.
    ...(givers === 0 ? [] : [`from ${countText(givers, 'peer')}`])
  ]
  return `fetched ${outputPath ?? cid}: ${how.join(', ')}`
}

function result(
  { cid, outputPath }: FetchRequest,
  { tally, peers }: Fetching,
  error: CommandError | undefined
): FetchResult {
  return {
    ok: error === undefined,
    exitCode: error?.exitCode ?? exitCodes.ok,
    cid: cid.toString(),
    output: outputPath ?? null,
    bytes: tally.doneBytes,
    totalBytes: tally.totalBytes ?? null,
    blocks: tally.blocks,
    durationMs: Math.round(tally.durationMs),
    peers,
    error: error === undefined ? null : messageOf(error)
  }
}
