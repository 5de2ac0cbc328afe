import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { inject } from 'vitest'
import { PeerProcess } from '../../support/peer-process.ts'

/** How long a program may take to start, in ms. */
const START_LIMIT_MS = 30_000

/** How often it is tried whether it has, in ms. */
const TRY_EVERY_MS = 50

/** Of what a program prints this many characters are kept for errors. */
const KEPT_OUTPUT = 4_096

/** What is run. */
export interface Command {
  /** What it is called in errors. */
  readonly name: string
  readonly program: string
  readonly parameters: readonly string[]
  /** All of its environment: nothing of ours, such as proxies or a home. */
  readonly environment?: Readonly<Record<string, string>>
}

/** A program that serves others on 127.0.0.1 until it is ended. */
export class Daemon extends PeerProcess {
  #output = ''
  #hasEnded = false

  /**
   * Starts it, and resolves when it serves.
   *
   * @param use - uses it as others will, in bounded time; it throws while that does not work
   */
  static async start(command: Command, use: () => Promise<unknown>): Promise<Daemon> {
    const daemon = new Daemon(command)
    try {
      await daemon.#untilOfUse(use)
      return daemon
    } catch (error) {
      await daemon[Symbol.asyncDispose]()
      throw error
    }
  }

  private constructor({ name, program, parameters, environment = {} }: Command) {
    super(name, program, parameters, environment)
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#output = (this.#output + text).slice(-KEPT_OUTPUT)
    })
    void this.ended.then(() => {
      this.#hasEnded = true
    })
  }

  get pid(): number {
    return this.child.pid!
  }

  /** Ends it at once, frozen or not; resolves when it is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill()
    await this.ended
  }

  async #untilOfUse(use: () => Promise<unknown>): Promise<void> {
    const limitMs = performance.now() + START_LIMIT_MS
    let problem: unknown
    while (performance.now() < limitMs) {
      if (this.#hasEnded) throw this.error(`has ended\n${this.#output}`)
      try {
        await use()
        return
      } catch (error) {
        problem = error
      }
      await sleep(TRY_EVERY_MS)
    }
    throw this.error(`did not start in time: ${problem}\n${this.#output}`)
  }
}

/** A folder for one program. It is gone when all tests are done. */
export function newFolder(name: string): Promise<string> {
  return mkdtemp(join(inject('relayFolder'), `${name}-`))
}
