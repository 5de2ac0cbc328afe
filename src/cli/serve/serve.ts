import { StateFileError } from '../../relay/index.ts'
import { CommandError, messageOf } from '../command-error.ts'
import { type ExitCode, exitCodes } from '../exit-codes.ts'
import { harmless } from '../terminal/visible-text.ts'
import { Daemon, type DaemonLog } from './daemon.ts'
import { printedConfig } from './printed-config.ts'
import { ServeConfigFile } from './serve-config.ts'

/** What to do. */
export interface ServeRequest {
  /** Everything is as it is by default if not given. */
  readonly configPath: string | undefined
  /** Whether the config is to be shown only. */
  readonly isPrinting: boolean
}

/** Keeps the process while nothing else does, in ms. */
const HOLD_MS = 3_600_000

const log: DaemonLog = {
  info: text => process.stdout.write(`${harmless(text)}\n`),
  warn: text => process.stderr.write(`bitswap-protection: ${harmless(text)}\n`)
}

/** Runs a daemon until somebody ends it. @throws CommandError */
export async function serve(
  { configPath, isPrinting }: ServeRequest,
  signal: AbortSignal
): Promise<ExitCode> {
  using file = await ServeConfigFile.read(configPath)
  if (isPrinting) {
    process.stdout.write(`${printedConfig(file.document)}\n`)
    return exitCodes.ok
  }
  const hold = setInterval(() => {}, HOLD_MS)
  try {
    await run(file, signal)
  } finally {
    clearInterval(hold)
  }
  return exitCodes.ok
}

async function run({ config }: ServeConfigFile, signal: AbortSignal): Promise<void> {
  await using daemon = await Daemon.start(config, log).catch(error => {
    throw startError(error)
  })
  log.info(`To look and steer: ${daemon.url}`)
  if (config.server.authToken === undefined)
    log.info('There is no token: everybody on this machine may look, and nobody steer')
  await aborted(signal)
  log.info('Ending: what is under way is waited for; once more ends it at once')
  try {
    await daemon.drain()
  } catch (error) {
    throw new CommandError(exitCodes.cannotWrite, `the state could not be saved: ${messageOf(error)}`)
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }))
}

/** In what libp2p says of addresses it cannot listen at: `  /ip4/192.0.2.1/tcp/1: Error: listen EADDRNOTAVAIL: …`. */
const NOT_LISTENING = /^ {2}(\/\S+): (?:Error: )?(.*)$/m

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is taken',
  EADDRNOTAVAIL: 'this computer does not have the address',
  ENOTDIR: 'a part of its path is no directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left'
}

/** What is no error of the system is a defect, and shown with where it came about. */
function startError(error: unknown): unknown {
  if (error instanceof StateFileError) return new CommandError(exitCodes.failed, harmless(error.message))
  const { code, message } = Object(error) as NodeJS.ErrnoException
  const [, address, why] = NOT_LISTENING.exec(message ?? '') ?? []
  if (address !== undefined)
    return new CommandError(
      exitCodes.failed,
      `cannot start: it cannot listen at ${address}: ${harmless(why!)}`
    )
  const isOfSystem = code !== undefined && reasons[code] !== undefined
  return isOfSystem
    ? new CommandError(exitCodes.failed, `cannot start: ${reasons[code]}: ${harmless(message)}`)
    : error
}
