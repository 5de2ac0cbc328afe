import { type ChildProcess, fork } from 'node:child_process'
import { killWithParent } from './child-guard.ts'
import type { AnswerMessage, CommandMap, CommandMessage, ThrownError } from './serve-commands.ts'

/** How long a program may take to end by itself, unless it is given longer. */
const END_LIMIT_MS = 1_000

/** How much of the end of its error output is kept, to tell what went wrong. */
const MAX_STDERR_CHARS = 8_192

export interface ChildProgramInit {
  /** For error messages. */
  readonly name: string
  /** Where it is; it calls `serveCommands`. */
  readonly program: URL
  /** What runs it, if not this Node. */
  readonly execPath?: string
  /** Flags for what runs it. None of the parent's, which are not meant for it: an inspector's port, a loader. */
  readonly execArgv?: readonly string[]
  /** What becomes of its error output: it goes where the parent's goes, or is kept and told with each error. */
  readonly stderr?: 'inherit' | 'keep'
  /** How long it may take for any command, in ms. As long as it likes if not given. */
  readonly answerLimitMs?: number
  /** How long it may take to end by itself, in ms. */
  readonly endLimitMs?: number
}

/** A Node program in a process of its own, as its parent sees it, from start to end. It does what it is told to. */
export class ChildProgram<Commands extends CommandMap<Commands>> implements AsyncDisposable {
  readonly #init: ChildProgramInit
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  /** Commands that were not answered yet. */
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>()
  #nextId = 0
  #stderr = ''

  constructor(init: ChildProgramInit) {
    this.#init = init
    const { program, execPath = process.execPath, execArgv = [], stderr = 'inherit' } = init
    this.#child = fork(program, {
      execPath,
      execArgv: [...execArgv],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', stderr === 'keep' ? 'pipe' : 'inherit', 'ipc']
    })
    killWithParent(this.#child)
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#keep(text))
    this.#child.on('error', error => this.#keep(`${error}\n`))
    this.#child.on('message', (message: AnswerMessage) => this.#onAnswer(message))
    this.#ended = ending(this.#child).then(() => this.#onEnd())
  }

  /** `undefined` if there was not even a process to be had. */
  get pid(): number | undefined {
    return this.#child.pid
  }

  /**
   * Has the program do something.
   *
   * @throws Error if it fails to, with the name and the message of what was thrown there; if it ends; or if it takes
   * longer than it may, as it does while it is frozen
   */
  async call<Name extends keyof Commands & string>(
    name: Name,
    ...args: Parameters<Commands[Name]>
  ): Promise<ReturnType<Commands[Name]>> {
    if (!this.#isRunning) throw this.#error(`cannot ${name}: its process has ended`)
    const id = this.#nextId++
    const pending = Promise.withResolvers<unknown>()
    this.#pending.set(id, pending)
    const timer = this.#limit(name, pending.reject)
    try {
      const command: CommandMessage = { id, name, args }
      // It cannot be sent to a process that is about to end. How that ends tells why.
      this.#child.send(command, error => error !== null && this.#keep(`${error}\n`))
      return (await pending.promise) as ReturnType<Commands[Name]>
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
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGCONT')
    if (this.#child.connected) this.#child.disconnect()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), this.#init.endLimitMs ?? END_LIMIT_MS)
    await this.#ended
    clearTimeout(timer)
  }

  /** The end of the process may show before that of the channel to it, or after. */
  get #isRunning(): boolean {
    const { connected, exitCode, signalCode } = this.#child
    return connected && exitCode === null && signalCode === null
  }

  #limit(name: string, reject: (error: Error) => void): NodeJS.Timeout | undefined {
    const { answerLimitMs } = this.#init
    if (answerLimitMs === undefined) return undefined
    return setTimeout(
      () => reject(this.#error(`did not ${name} within ${answerLimitMs / 1000} s`)),
      answerLimitMs
    )
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
    if ('error' in message) pending?.reject(this.#carriedOver(message.error))
    else pending?.resolve(message.value)
  }

  #onEnd(): void {
    const { exitCode, signalCode } = this.#child
    const error = this.#error(`ended by itself or was killed (${signalCode ?? `exit code ${exitCode}`})`)
    for (const { reject } of this.#pending.values()) reject(error)
  }

  #carriedOver({ name, message, stack }: ThrownError): Error {
    const error = this.#error(message)
    error.name = name
    // Where it was thrown. Where its news came in would tell nothing.
    error.stack = `${error}\n${stack}`
    return error
  }

  #error(what: string): Error {
    const stderr = this.#stderr.trim()
    return new Error(`${this.#init.name}: ${what}${stderr === '' ? '' : `\nIts error output:\n${stderr}`}`)
  }
}

/** Resolves when the process is gone and its last words were read. Its own 'close' does not come after a disconnect. */
async function ending(child: ChildProcess): Promise<void> {
  const { stderr } = child
  const isRead = stderr && new Promise(resolve => stderr.once('close', resolve))
  // 'error' instead of 'exit' if there was never a process.
  await new Promise(resolve => child.once(child.pid === undefined ? 'error' : 'exit', resolve))
  await isRead
}
