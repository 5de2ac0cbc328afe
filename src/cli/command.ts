import type { ExitCode } from './exit-codes.ts'

/** One of the things the program can do. */
export interface Command {
  readonly name: string
  /** For the list of commands. */
  readonly summary: string
  /** What `--help` shows. */
  readonly help: string

  /**
   * @param signal - aborted with an `InterruptedError` when the process shall end
   * @throws CommandError
   */
  run(args: readonly string[], signal: AbortSignal): Promise<ExitCode>
}
