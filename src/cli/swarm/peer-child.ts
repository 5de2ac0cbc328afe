import { type ChildProcess, fork } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { killWithParent } from './child-guard.ts'
import type { AnswerMessage, CommandMessage, PeerCommands } from './peer-messages.ts'

/** How long a peer may take for any command. Starting takes by far the longest, the more so side by side. */
const ANSWER_LIMIT_MS = 30_000

/** How long a peer may take to end by itself. */
const END_LIMIT_MS = 1_000

/** How much of the end of its error output is kept, to tell what went wrong. */
const MAX_STDERR_CHARS = 8_192

/** The program beside this file: `.ts` among the sources, `.js` among what was built. */
const program = fileURLToPath(new URL(`./peer-process${extname(import.meta.filename)}`, import.meta.url))

/** A command that was not answered yet. */
interface Pending {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** A peer's process as its parent sees it, from start to end. */
export class PeerChild {
  readonly #name: string
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  readonly #pending = new Map<number, Pending>()
  #nextId = 0
  #stderr = ''

  /** @param name - for error messages */
  constructor(name: string) {
    this.#name = name
    this.#child = fork(program, {
      // None of the parent's, which are not meant for it: an inspector's port, a test runner's loader.
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc']
    })
    killWithParent(this.#child)
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => this.#keep(text))
    this.#child.on('error', error => this.#keep(`${error}\n`))
    this.#child.on('message', (message: AnswerMessage) => this.#onAnswer(message))
    this.#ended = ending(this.#child).then(() => this.#onEnd())
  }

  /** `undefined` if there was not even a process to be had. */
  get pid(): number | undefined {
    return this.#child.pid
  }

  /**
   * Has the process do something.
   *
   * @throws Error if it fails to, ends, or takes longer than 30 s, as it does while it is frozen
   */
  async call<Name extends keyof PeerCommands>(
    name: Name,
    ...args: Parameters<PeerCommands[Name]>
  ): Promise<ReturnType<PeerCommands[Name]>> {
    if (!this.#child.connected) throw this.#error(`cannot ${name}: its process has ended`)
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const id = this.#nextId++
    this.#pending.set(id, { resolve, reject })
    const timer = setTimeout(() => {
      reject(this.#error(`did not ${name} within ${ANSWER_LIMIT_MS / 1000} s`))
    }, ANSWER_LIMIT_MS)
    try {
      const command: CommandMessage<Name> = { id, name, args }
      // It cannot be sent to a process that is about to end. How that ends tells why.
      this.#child.send(command, error => error !== null && this.#keep(`${error}\n`))
      return (await promise) as ReturnType<PeerCommands[Name]>
    } finally {
      clearTimeout(timer)
      this.#pending.delete(id)
    }
  }

  /** Stops it in its tracks: its connections stay open, and silent. */
  freeze(): void {
    this.#signal('SIGSTOP')
  }

  thaw(): void {
    this.#signal('SIGCONT')
  }

  /** Ends it at once, frozen or not. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  /** Lets it end by itself, and kills it unless it does so soon. */
  async end(): Promise<void> {
    this.#child.kill('SIGCONT')
    if (this.#child.connected) this.#child.disconnect()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_LIMIT_MS)
    await this.#ended
    clearTimeout(timer)
  }

  /** By way of the handle, which never signals a process that has ended and whose id may be another's by now. */
  #signal(signal: NodeJS.Signals): void {
    if (!this.#child.kill(signal)) throw this.#error(`cannot be sent ${signal}: its process has ended`)
  }

  #keep(text: string): void {
    this.#stderr = (this.#stderr + text).slice(-MAX_STDERR_CHARS)
  }

  #onAnswer(message: AnswerMessage): void {
    const pending = this.#pending.get(message.id)
    if ('error' in message) pending?.reject(this.#error(message.error))
    else pending?.resolve(message.value)
  }

  #onEnd(): void {
    const { exitCode, signalCode } = this.#child
    const error = this.#error(`ended by itself or was killed (${signalCode ?? `exit code ${exitCode}`})`)
    for (const { reject } of this.#pending.values()) reject(error)
  }

  #error(what: string): Error {
    const stderr = this.#stderr.trim()
    return new Error(`Peer ${this.#name}: ${what}${stderr === '' ? '' : `\nIts error output:\n${stderr}`}`)
  }
}

/** Resolves when the process is gone and its last words were read. Its own 'close' does not come after a disconnect. */
async function ending(child: ChildProcess): Promise<void> {
  const isRead = new Promise(resolve => child.stderr!.once('close', resolve))
  // 'error' instead of 'exit' if there was never a process.
  if (child.pid !== undefined) await new Promise(resolve => child.once('exit', resolve))
  await isRead
}
