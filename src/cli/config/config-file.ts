import { readFile, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { InvalidOptionError } from '../../core/index.ts'
import { SecretFileError } from '../../relay/secrets/secret-error.ts'
import { SecureBuffer } from '../../relay/secrets/secure-buffer.ts'
import { harmless, shorten } from '../terminal/visible-text.ts'
import { ConfigError } from './config-error.ts'
import { DURATION_FORM, writeDuration } from './duration.ts'

/** Also of each file a config file names. */
const MAX_BYTES = 2 ** 20

/** Longest value that is told, in characters. */
const MAX_SHOWN = 80

/** Of what is known under other names in a config file: what options begin with, and what stands there instead. */
const keys: ReadonlyArray<readonly [option: RegExp, key: string]> = [
  [/^tripAt\.consecutiveFailures$/, 'circuitBreaker.failureThreshold'],
  [/^(channel|bitswapProtection|protection|pool|management|alerts|webhooks|audit|history)\./, ''],
  [/^urls\./, ''],
  [/^breaker\./, 'circuitBreaker.'],
  // Certificates and the like are in files of their own.
  [/((?:tls\.)(?:certificate|key))$/, '$1File']
]

/** A config file in JSON, and what is wrong with it. Nothing of what may be secret is ever told. */
export class ConfigFile implements Disposable {
  /** As it was named. */
  readonly path: string
  readonly document: unknown
  readonly #secrets: SecureBuffer[] = []

  /** @throws ConfigError */
  static async read(path: string): Promise<ConfigFile> {
    const text = await readBounded(path, detail => new ConfigError(path, detail))
    return new ConfigFile(path, parse(path, text))
  }

  /** That is not there: everything is as it is by default. */
  static empty(): ConfigFile {
    return new ConfigFile('(no config file)', {})
  }

  private constructor(path: string, document: unknown) {
    this.path = path
    this.document = document
  }

  /** Where a file is that is named in this one: relative to it. */
  locate(path: string): string {
    return resolve(dirname(this.path), path)
  }

  /** Reads a file that is named under a key. @throws ConfigError */
  async readNamed(key: string, path: string): Promise<string> {
    return readBounded(
      this.locate(path),
      detail => new ConfigError(this.path, `${key}: '${path}': ${detail}`)
    )
  }

  /** Reads a file with a secret that is named under a key. @throws ConfigError */
  async readSecret(key: string, path: string): Promise<SecureBuffer> {
    try {
      const secret = await SecureBuffer.fromFile(this.locate(path))
      this.#secrets.push(secret)
      return secret
    } catch (error) {
      if (!(error instanceof SecretFileError)) throw error
      throw new ConfigError(this.path, `${key}: ${error.message}`)
    }
  }

  /** Takes secrets that were read out of memory. */
  [Symbol.dispose](): void {
    for (const secret of this.#secrets.splice(0)) secret.dispose()
  }

  /** What is wrong with the value of a key. */
  error(key: string, allowed: string): ConfigError {
    return this.#refusal(key, shown(key, this.#valueAt(key)), allowed)
  }

  /**
   * Does something with options made of this file; what is wrong with them is told in the words of the file.
   *
   * @param section - the key they stand under
   */
  checked<Value>(section: string, use: () => Value): Value {
    try {
      return use()
    } catch (error) {
      throw error instanceof InvalidOptionError ? this.#translated(section, error) : error
    }
  }

  #translated(section: string, { option, allowed }: InvalidOptionError): ConfigError {
    const name = keys.reduce((text, [from, to]) => text.replace(from, to), option)
    const key = section === '' ? name : `${section}.${name}`
    return key.endsWith('Ms') ? this.#durationError(key.slice(0, -2), allowed) : this.error(key, allowed)
  }

  #durationError(key: string, allowed: string): ConfigError {
    const value = this.#valueAt(key)
    const got = typeof value === 'number' ? `${value}, which has no unit` : shown(key, value)
    return this.#refusal(key, got, durationAllowed(allowed))
  }

  #refusal(key: string, got: string, allowed: string): ConfigError {
    return new ConfigError(this.path, `${key}: got ${got}; allowed: ${allowed}`)
  }

  #valueAt(key: string): unknown {
    const names = key.split(/[.[\]]+/).filter(name => name !== '')
    return names.reduce<unknown>(
      (value, name) => (value as Record<string, unknown> | null)?.[name],
      this.document
    )
  }
}

/** The same range, as durations in a config file are written. */
function durationAllowed(allowed: string): string {
  const words = allowed
    .replace(/^a number/, 'a duration')
    .replaceAll(/(\w+)Ms\b/g, '$1')
    .replaceAll(/\d+/g, digits => `'${writeDuration(Number(digits))}'`)
  return `${words}, as a text: ${DURATION_FORM}`
}

function shown(key: string, value: unknown): string {
  if (value === undefined) return 'nothing'
  if (/(password|token|secret)$/i.test(key)) return '(hidden)'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  return typeof value === 'string' ? quoted(value) : String(value)
}

/** What stands before an `@` may be a password. */
function quoted(text: string): string {
  return `'${shorten(harmless(text.replace(/^.*@/s, '(hidden)@')), MAX_SHOWN)}'`
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of its path is no directory',
  EISDIR: 'it is a directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied'
}

async function readBounded(path: string, error: (detail: string) => ConfigError): Promise<string> {
  try {
    const stats = await stat(path)
    // A pipe might never end.
    if (!stats.isFile() && !stats.isDirectory()) throw error('it is no regular file')
    if (stats.size > MAX_BYTES) throw error(`it has ${stats.size} bytes; allowed: up to ${MAX_BYTES}`)
    return await readFile(path, 'utf8')
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause
    const { code, message } = cause as NodeJS.ErrnoException
    throw error(`cannot be read: ${reasons[code ?? ''] ?? message}`)
  }
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ConfigError(path, `it is no JSON: ${problemOf((error as Error).message)}`)
  }
}

/** What V8 says, without the part of the file it shows: a password may be in that. */
function problemOf(message: string): string {
  const [, problem, place] =
    /^([^"]*?) in JSON at position \d+ \((line \d+ column \d+)\)$/.exec(message) ?? []
  if (problem !== undefined) return `${problem}, ${place}`
  return /^Unexpected (?:end of JSON input|token '.')/su.exec(message)?.[0] ?? 'it cannot be parsed'
}
