/** Thrown when a secret is to be used after it was disposed of. */
export class SecretDisposedError extends Error {
  static override readonly name = 'SecretDisposedError'

  constructor() {
    super('The secret was disposed of')
    this.name = 'SecretDisposedError'
  }
}

/** Thrown when a secret is accessed in a way that would let it out of the access. The access has ended. */
export class SecretAccessError extends Error {
  static override readonly name = 'SecretAccessError'

  constructor(detail: string) {
    super(`A secret cannot be accessed like this: ${detail}`)
    this.name = 'SecretAccessError'
  }
}

/** Thrown when there are as many secrets as there may be. */
export class SecretLimitError extends Error {
  static override readonly name = 'SecretLimitError'
  /** How many there may be. */
  readonly limit: number

  constructor(limit: number) {
    super(`There are ${limit} secrets already: dispose of those that are not needed any more`)
    this.name = 'SecretLimitError'
    this.limit = limit
  }
}

/** Thrown when a file cannot be read as a secret. What is in it is not told. */
export class SecretFileError extends Error {
  static override readonly name = 'SecretFileError'
  readonly path: string

  constructor(path: string, detail: string, cause?: unknown) {
    super(`Cannot read a secret from ${path}: ${detail}`, { cause })
    this.name = 'SecretFileError'
    this.path = path
  }
}
