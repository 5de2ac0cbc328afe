import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'

/** The command, as source. */
export const main = join(resolve(import.meta.dirname, '../../..'), 'src/cli/main.ts')

/** The command in a process of its own, for one test. */
export class Program {
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown[]>
  readonly #stderr: Promise<string>
  stdout = ''

  constructor(...args: readonly string[]) {
    this.#child = spawn(process.execPath, ['--conditions=bitswap-protection-source', main, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' }
    })
    this.#closed = once(this.#child, 'close')
    this.#stderr = text(this.#child.stderr!)
    this.#child.stdout!.setEncoding('utf8').on('data', (part: string) => {
      this.stdout += part
    })
    onTestFinished(() => {
      this.#child.kill('SIGKILL')
    })
  }

  kill(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGKILL'): void {
    this.#child.kill(signal)
  }

  stopReading(): void {
    this.#child.stdout!.destroy()
  }

  /** Resolves when it has. */
  async ended(): Promise<{ code: unknown; stderr: string }> {
    const [[code], stderr] = await Promise.all([this.#closed, this.#stderr])
    return { code, stderr }
  }

  /** The same, with all that it has printed. */
  async finished(): Promise<{ code: unknown; stderr: string; stdout: string }> {
    return { ...(await this.ended()), stdout: this.stdout }
  }
}
