import { CommandError } from '../command-error.ts'
import { exitCodes } from '../exit-codes.ts'

/** A config file cannot be used. Nothing has started. */
export class ConfigError extends CommandError {
  static override readonly name = 'ConfigError'
  /** As it was named. */
  readonly file: string

  constructor(file: string, detail: string) {
    super(exitCodes.usage, `${file}: ${detail}`)
    this.name = 'ConfigError'
    this.file = file
  }
}
