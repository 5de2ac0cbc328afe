import { type ExitCode, exitCodes } from './exit-codes.ts'

/** Ends a command with a message for people and an exit code for scripts. */
export class CommandError extends Error {
  static override readonly name: string = 'CommandError'
  readonly exitCode: ExitCode
  /** More to know, one line each. */
  readonly details: readonly string[]

  constructor(exitCode: ExitCode, message: string, details: readonly string[] = []) {
    super(message)
    this.name = 'CommandError'
    this.exitCode = exitCode
    this.details = details
  }
}

/** The command was called wrongly; nothing has started. */
export class UsageError extends CommandError {
  static override readonly name = 'UsageError'

  constructor(message: string) {
    super(exitCodes.usage, message)
    this.name = 'UsageError'
  }
}

/** The text of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
