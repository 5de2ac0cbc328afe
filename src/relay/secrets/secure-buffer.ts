import { timingSafeEqual } from 'node:crypto'
import { InvalidOptionError } from '../../core/index.ts'
import { wholeNumber } from '../../core/options.ts'
import type { MemoryProtectionStatus } from './memory-protection-status.ts'
import type { SecretCell } from './secret-cell.ts'
import { SecretAccessError, SecretDisposedError } from './secret-error.ts'
import { SecretFile } from './secret-file.ts'
import { type SecureMemory, secureMemory } from './secure-memory.ts'

/** The longest secret, in bytes. */
const MAX_SECRET_BYTES = 65_536

const secretLength = wholeNumber(1, MAX_SECRET_BYTES)

/**
 * A secret in memory that is locked (not swapped out), not dumped, and cannot be touched but while it is accessed; with
 * zeros in its place after that. It is never shown: not in logs, nor in JSON.
 *
 * That needs sodium-native, an optional dependency, and a system that lets memory be locked; without, secrets are in
 * ordinary memory: see {@link memoryProtectionStatus}. Either way it keeps only this copy. Others are the caller's to care
 * for: whatever was there before; strings made of it, which nobody can overwrite; the copies OpenSSL makes of keys; and
 * arrays, of which V8 moves those of up to 64 bytes about, leaving copies behind, unless they are made upon an `ArrayBuffer`.
 *
 * It belongs to the thread it was made in: it can neither be transferred nor shared, and a structured clone of it is empty.
 * Within the thread accesses cannot get in each other's way, as each ends before anything else is done, but for those it
 * makes itself.
 *
 * Dispose of it: its memory is kept until then, also when nobody refers to it any more.
 */
export class SecureBuffer implements Disposable {
  readonly #memory: SecureMemory
  readonly #cell: SecretCell
  /** How many accesses are under way, one within the other. */
  #accesses = 0
  #isDisposed = false

  /**
   * Moves bytes here: there are zeros in their place when this resolves. Until then they must stay as they are.
   *
   * @param bytes - 1 to 65,536
   * @throws InvalidOptionError; SecretLimitError if there are 1,024 secrets already. The bytes are left as they are.
   */
  static async from(bytes: Uint8Array): Promise<SecureBuffer> {
    const memory = await secureMemory()
    if (!(bytes instanceof Uint8Array))
      throw new InvalidOptionError('secret', '(hidden)', `a Uint8Array of 1 to ${MAX_SECRET_BYTES} bytes`)
    const secret = SecureBuffer.#copy(memory, bytes)
    bytes.fill(0)
    return secret
  }

  /**
   * So many zeros, to be written to.
   *
   * @param byteLength - 1 to 65,536
   * @throws InvalidOptionError; SecretLimitError
   */
  static async allocate(byteLength: number): Promise<SecureBuffer> {
    return new SecureBuffer(await secureMemory(), byteLength)
  }

  /**
   * Reads a file, without the newline at its end if there is one, and leaves no other copy in this process. The event loop
   * waits for it.
   *
   * @param path - of a file of up to 65,536 bytes
   * @throws SecretFileError; SecretLimitError
   */
  static async fromFile(path: string): Promise<SecureBuffer> {
    const memory = await secureMemory()
    const file = new SecretFile(path, MAX_SECRET_BYTES)
    try {
      return SecureBuffer.#read(memory, file)
    } finally {
      file[Symbol.dispose]()
    }
  }

  static #read(memory: SecureMemory, file: SecretFile): SecureBuffer {
    const scratch = new SecureBuffer(memory, file.byteLength)
    try {
      return scratch.withAccess(bytes => SecureBuffer.#copy(memory, file.readInto(bytes)))
    } finally {
      scratch.dispose()
    }
  }

  static #copy(memory: SecureMemory, bytes: Uint8Array): SecureBuffer {
    const secret = new SecureBuffer(memory, bytes.length)
    secret.withWriteAccess(target => target.set(bytes))
    return secret
  }

  private constructor(memory: SecureMemory, byteLength: number) {
    if (!secretLength.accepts(byteLength))
      throw new InvalidOptionError('secret.byteLength', byteLength, secretLength.allowed)
    this.#memory = memory
    this.#cell = memory.allocate(byteLength)
  }

  /** How long it is, in bytes. */
  get byteLength(): number {
    return this.#cell.byteLength
  }

  /**
   * Has something done with the secret. The bytes are a copy in locked memory, and zeros as soon as `use` has ended: nothing
   * that works later, such as a socket or a cipher that is asked to, can be given them. What `use` writes to them is not
   * kept.
   *
   * It may be accessed again meanwhile. If it is disposed of meanwhile, that is done when the last access has ended.
   *
   * @returns what `use` does, which must not be a promise, nor refer to the bytes
   * @throws SecretDisposedError; SecretAccessError; what `use` does
   */
  withAccess<Result>(use: (bytes: Uint8Array) => Result): Result {
    return this.#access(use, () => {})
  }

  /**
   * The same, but what `write` leaves in the bytes is the secret from then on, unless it throws. It cannot be begun while the
   * secret is accessed already.
   *
   * @throws as {@link withAccess}
   */
  withWriteAccess<Result>(write: (bytes: Uint8Array) => Result): Result {
    if (this.#accesses > 0) throw new SecretAccessError('it cannot be written to while it is being accessed')
    return this.#access(write, () => this.#cell.keep())
  }

  /**
   * Whether both are the same. How long that takes tells whether they are of the same length, and nothing else.
   *
   * @throws SecretDisposedError
   */
  equals(other: Uint8Array | SecureBuffer): boolean {
    if (other instanceof SecureBuffer) return other.withAccess(bytes => this.equals(bytes))
    return this.withAccess(bytes => bytes.length === other.length && timingSafeEqual(bytes, other))
  }

  /** Overwrites it with zeros and gives its memory back. Once is enough; more often does no harm. */
  dispose(): void {
    this.#isDisposed = true
    if (this.#accesses === 0) this.#memory.free(this.#cell)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** Says what it is, not what is in it. */
  toString(): string {
    return `[SecureBuffer ${this.byteLength} bytes]`
  }

  toJSON(): string {
    return this.toString()
  }

  /** For `console.log`. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }

  /** @param onUsed - told if nothing went wrong, while the bytes are still there */
  #access<Result>(use: (bytes: Uint8Array) => Result, onUsed: () => void): Result {
    if (this.#isDisposed) throw new SecretDisposedError()
    this.#accesses++
    try {
      if (this.#accesses === 1) this.#cell.show()
      const result = use(this.#cell.window)
      throwIfEscaping(result, this.#cell.window)
      onUsed()
      return result
    } finally {
      this.#accesses--
      if (this.#accesses === 0) this.#endAccess()
    }
  }

  #endAccess(): void {
    this.#cell.hide()
    if (this.#isDisposed) this.#memory.free(this.#cell)
  }
}

/** How secrets are protected in this process, as measured, in the thread that asks. */
export async function memoryProtectionStatus(): Promise<MemoryProtectionStatus> {
  const memory = await secureMemory()
  return memory.status()
}

/** What is used after the access would find zeros, and take them for the secret. */
function throwIfEscaping(result: unknown, bytes: Uint8Array): void {
  if (isPromiseLike(result)) {
    // It fails, most likely, and nobody is left who would handle that.
    Promise.resolve(result).catch(() => {})
    throw new SecretAccessError('what is done with it must not be asynchronous')
  }
  // Whether other views refer to them is not asked: asking a small array for its `buffer` has V8 leave a copy behind.
  if (result === bytes || result === bytes.buffer)
    throw new SecretAccessError('the bytes themselves must not be returned')
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function'
}
