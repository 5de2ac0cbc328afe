import { constants } from 'node:os'
import { CommandError } from './command-error.ts'
import { type ExitCode, exitCodes } from './exit-codes.ts'

const signals = {
  SIGINT: exitCodes.interrupted,
  SIGTERM: exitCodes.terminated,
  SIGHUP: exitCodes.hungUp
} as const

type Signal = keyof typeof signals

/** Somebody wants the process to end. */
export class InterruptedError extends CommandError {
  static override readonly name = 'InterruptedError'

  constructor(exitCode: ExitCode, message: string) {
    super(exitCode, message)
    this.name = 'InterruptedError'
  }
}

/**
 * Turns Ctrl-C, its relatives and a reader that went away into an abort, so that a command can clean up. A second
 * signal ends the process at once.
 */
export class Interruption implements Disposable {
  readonly #controller = new AbortController()

  constructor() {
    for (const signal of Object.keys(signals) as Signal[]) process.on(signal, this.#onSignal)
    process.stdout.on('error', this.#onOutputError)
    process.stderr.on('error', ignore)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  [Symbol.dispose](): void {
    for (const signal of Object.keys(signals) as Signal[]) process.off(signal, this.#onSignal)
    process.stdout.off('error', this.#onOutputError)
    process.stderr.off('error', ignore)
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (this.signal.aborted) process.exit(128 + constants.signals[signal])
    this.#controller.abort(new InterruptedError(signals[signal as Signal], `ended by ${signal}`))
  }

  readonly #onOutputError = (error: NodeJS.ErrnoException): void => {
    this.#controller.abort(
      error.code === 'EPIPE'
        ? new InterruptedError(exitCodes.readerGone, 'nobody reads the output any more')
        : new CommandError(exitCodes.cannotWrite, `cannot write to the output: ${error.message}`)
    )
  }
}

/** When nobody reads messages any more, there is nobody to tell. */
function ignore(): void {}
