import type { SecureBuffer } from '../../relay/secrets/secure-buffer.ts'
import { nearest } from '../nearest.ts'
import { harmless, shorten } from '../terminal/visible-text.ts'
import { ConfigError } from './config-error.ts'
import type { ConfigFile } from './config-file.ts'
import { parseDuration } from './duration.ts'

/** Longest name that is told, in characters. */
const MAX_SHOWN = 40

/** An object in a config file, with names that are all known. What their values may be, others look at. */
export class ConfigObject {
  readonly file: ConfigFile
  /** The key it stands under; empty for the whole file. */
  readonly key: string
  readonly #members: Readonly<Record<string, unknown>>

  /** @throws ConfigError if it is no object, or has other members */
  constructor(file: ConfigFile, key: string, value: unknown, names: readonly string[]) {
    this.file = file
    this.key = key
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      if (key === '') throw new ConfigError(file.path, 'it is no object of JSON')
      throw file.error(key, 'an object')
    }
    const unknown = Object.keys(value).find(name => !names.includes(name))
    if (unknown !== undefined) throw new ConfigError(file.path, this.#unknown(unknown, names))
    this.#members = value as Record<string, unknown>
  }

  keyOf(name: string): string {
    return this.key === '' ? name : `${this.key}.${name}`
  }

  /** Does something with options made of this; what is wrong with them is told in the words of the file. */
  checked<Value>(use: () => Value): Value {
    return this.file.checked(this.key, use)
  }

  /** What there is, whatever it is. */
  given(name: string): unknown {
    return this.#members[name]
  }

  /** In ms; NaN for what is no duration, so that whoever knows the range refuses it. */
  durationMs(name: string): number | undefined {
    const value = this.given(name)
    if (value === undefined) return undefined
    return (typeof value === 'string' ? parseDuration(value) : undefined) ?? Number.NaN
  }

  /** @throws ConfigError */
  fileName(name: string): string | undefined {
    const value = this.given(name)
    if (value === undefined || (typeof value === 'string' && value !== '')) return value
    throw this.file.error(this.keyOf(name), 'the name of a file')
  }

  /** What is in the file that is named. @throws ConfigError */
  async fileContent(name: string): Promise<string | undefined> {
    const path = this.fileName(name)
    return path === undefined ? undefined : this.file.readNamed(this.keyOf(name), path)
  }

  /** The secret in the file that is named. @throws ConfigError */
  async secret(name: string): Promise<SecureBuffer | undefined> {
    const path = this.fileName(name)
    return path === undefined ? undefined : this.file.readSecret(this.keyOf(name), path)
  }

  /** @throws ConfigError */
  flag(name: string): boolean | undefined {
    const value = this.given(name)
    if (value === undefined || typeof value === 'boolean') return value
    throw this.file.error(this.keyOf(name), 'true or false')
  }

  /** An object in this one. @throws ConfigError */
  object(name: string, names: readonly string[]): ConfigObject | undefined {
    const value = this.given(name)
    return value === undefined ? undefined : new ConfigObject(this.file, this.keyOf(name), value, names)
  }

  #unknown(name: string, names: readonly string[]): string {
    const key = this.keyOf(shorten(harmless(name), MAX_SHOWN))
    const meant = nearest(name, names)
    return `unknown key ${key}; ${meant === undefined ? `there are ${names.join(', ')}` : `did you mean ${this.keyOf(meant)}?`}`
  }
}
