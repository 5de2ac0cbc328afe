import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { CommandError } from './command-error.ts'
import { exitCodes } from './exit-codes.ts'
import { InterruptedError } from './interruption.ts'

/** Where fetched bytes go: all of them, or none that anybody could take for the file. */
export interface Output extends AsyncDisposable {
  write(bytes: Uint8Array): Promise<void>
  /** Everything was written. Disposing without it throws away what was. */
  finish(): Promise<void>
}

/** @throws CommandError if it cannot be written to */
export async function openOutput(path: string | undefined): Promise<Output> {
  return path === undefined ? new StandardOutput() : await FileOutput.open(path)
}

class StandardOutput implements Output {
  async write(bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(bytes, error =>
        error ? reject(cannotWrite('standard output', error)) : resolve()
      )
    })
  }

  async finish(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** A file that appears under its name when it is complete. */
class FileOutput implements Output {
  readonly #path: string
  readonly #partialPath: string
  readonly #file: FileHandle
  #isOpen = true

  private constructor(path: string, partialPath: string, file: FileHandle) {
    this.#path = path
    this.#partialPath = partialPath
    this.#file = file
    process.on('exit', this.#removePartial)
  }

  static async open(path: string): Promise<FileOutput> {
    try {
      const { target, mode } = await inspectTarget(path)
      const partialPath = join(dirname(target), `.${basename(target)}.${randomBytes(4).toString('hex')}.part`)
      return new FileOutput(target, partialPath, await open(partialPath, 'wx', mode))
    } catch (error) {
      throw cannotWrite(path, error)
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      await this.#file.writeFile(bytes)
    } catch (error) {
      throw cannotWrite(this.#path, error)
    }
  }

  async finish(): Promise<void> {
    try {
      await this.#close()
      await rename(this.#partialPath, this.#path)
      process.off('exit', this.#removePartial)
    } catch (error) {
      throw cannotWrite(this.#path, error)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
    process.off('exit', this.#removePartial)
    await rm(this.#partialPath, { force: true })
  }

  async #close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    await this.#file.close()
  }

  /** For a process that is ended before it could clean up. */
  readonly #removePartial = (): void => rmSync(this.#partialPath, { force: true })
}

/** The file meant, behind links, and the mode a new one shall have. */
async function inspectTarget(path: string): Promise<{ target: string; mode: number }> {
  const existing = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (existing === undefined) {
    if (/[/\\]$/.test(path)) throw new Error('it names a directory; name a file')
    return { target: resolve(path), mode: 0o666 }
  }
  if (existing.isDirectory()) throw new Error('it is a directory; name a file')
  // Replacing a device or a pipe by a file is not what anybody means.
  if (!existing.isFile()) throw new Error('it is no regular file; leave out -o and redirect standard output')
  return { target: await realpath(path), mode: existing.mode & 0o777 }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'its directory does not exist',
  ENOTDIR: 'a part of its path is no directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left',
  EDQUOT: 'quota exceeded',
  ENAMETOOLONG: 'the name is too long'
}

function cannotWrite(what: string, error: unknown): CommandError {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EPIPE') return new InterruptedError(exitCodes.readerGone, 'nobody reads the output any more')
  return new CommandError(exitCodes.cannotWrite, `cannot write ${what}: ${reasons[code ?? ''] ?? message}`)
}
