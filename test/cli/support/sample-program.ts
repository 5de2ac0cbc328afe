import { setTimeout as sleep } from 'node:timers/promises'
import { serveCommands } from '../../../src/cli/swarm/serve-commands.ts'

// A program that does what the tests of `ChildProgram` need.

/** What it can be told to do. */
export interface SampleCommands {
  count(given: readonly string[]): Map<string, number>
  wait(ms: number): number
  fail(message: string): void
  failOddly(text: string): void
  /** Answers what cannot be sent. */
  unsendable(): unknown
  flags(): string[]
  exit(code: number, lastWords: string): void
  /** Notices nothing any more. */
  hang(): void
}

class SampleError extends RangeError {
  override name = 'SampleError'
}

serveCommands<SampleCommands>({
  count: given => new Map([...new Set(given)].map(each => [each, given.filter(one => one === each).length])),
  async wait(ms) {
    await sleep(ms)
    return ms
  },
  fail(message) {
    throw new SampleError(message)
  },
  failOddly(text) {
    throw text
  },
  unsendable: () => () => {},
  flags: () => process.execArgv,
  exit(code, lastWords) {
    process.stderr.write(lastWords, () => process.exit(code))
    return new Promise(() => {})
  },
  hang() {
    for (;;);
  }
})
