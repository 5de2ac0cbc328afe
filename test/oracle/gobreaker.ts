import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Trace } from './traces.ts'

const MODULE = join(import.meta.dirname, 'gobreaker')
const GO = 'go'
const LEAST_GO = 25
const BUILD_TIMEOUT_MS = 300_000
const REPLAY_TIMEOUT_MS = 60_000
/** The longest answer to one batch of traces. */
const MAX_OUTPUT_BYTES = 2 ** 29

/** The real gobreaker, built from its Go module. */
export class Gobreaker {
  readonly #program: string

  constructor() {
    checkGo()
    const folder = mkdtempSync(join(tmpdir(), 'gobreaker-'))
    process.once('exit', () => rmSync(folder, { recursive: true }))
    this.#program = join(folder, 'oracle.test')
    run(GO, ['test', '-c', '-o', this.#program, '.'], BUILD_TIMEOUT_MS)
  }

  /** What gobreaker shows when it is done to as the traces say; one line for each. */
  replay(traces: readonly Trace[]): string[] {
    const input = traces.map(trace => `${JSON.stringify(trace)}\n`).join('')
    const lines = run(this.#program, [], REPLAY_TIMEOUT_MS, input).trimEnd().split('\n')
    // The program is a Go test, for only those can make time pass at will, and says so in the end.
    const verdict = lines.pop()
    if (verdict !== 'PASS' || lines.length !== traces.length) {
      throw new Error(`gobreaker answered ${lines.length} of ${traces.length} traces, then: ${verdict}`)
    }
    return lines
  }
}

function checkGo(): void {
  const { stdout, error } = spawnSync(GO, ['version'], { encoding: 'utf8', timeout: 10_000 })
  const minor = Number(/go1\.(\d+)/.exec(stdout ?? '')?.[1])
  if (error !== undefined || !(minor >= LEAST_GO)) {
    const found = error === undefined ? stdout.trim() : error.message
    throw new Error(
      `This needs Go 1.${LEAST_GO} or later on the PATH (see https://go.dev/dl); found: ${found}`
    )
  }
}

function run(program: string, args: string[], timeout: number, input = ''): string {
  const result = spawnSync(program, args, {
    cwd: MODULE,
    input,
    encoding: 'utf8',
    timeout,
    killSignal: 'SIGKILL',
    maxBuffer: MAX_OUTPUT_BYTES
  })
  if (result.status !== 0) {
    throw new Error(`${program} failed:\n${result.stderr || result.stdout?.slice(-2000)}`, {
      cause: result.error
    })
  }
  return result.stdout
}
