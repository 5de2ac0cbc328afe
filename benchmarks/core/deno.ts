import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { UsageError } from '../command-line.ts'
import type { Candidate, Prepared, Settings } from '../harness.ts'
import { LONG_MS } from './subjects.ts'

// The breaker of Deno's standard library. It is published on JSR only, so this package cannot depend on it: whoever
// wants it compared installs it somewhere, and says where.

export const DENO = 'Deno std'

/** Where it is in the folder it was installed in. */
const USUAL_FILE = 'node_modules/@std/async/unstable_circuit_breaker.js'

/** What is used of it. */
export interface DenoBreaker {
  readonly state: 'closed' | 'open' | 'half_open'
  execute<Value>(fn: () => Promise<Value>): Promise<Value>
  forceOpen(): void
}

interface DenoModule {
  readonly CircuitBreaker: new (options: { cooldownMs: number; minimumThroughput?: number }) => DenoBreaker
}

/**
 * Half of at least 20 calls of a minute failing opens it; with `isTripping` false no share does.
 *
 * @param file - its module, from {@link findDeno}
 */
export async function denoBreaker(file: string, isTripping = true): Promise<DenoBreaker> {
  const { CircuitBreaker } = await load(file)
  return new CircuitBreaker({
    cooldownMs: LONG_MS,
    ...(isTripping ? {} : { minimumThroughput: Number.MAX_SAFE_INTEGER })
  })
}

async function load(file: string): Promise<DenoModule> {
  return (await import(pathToFileURL(file).href)) as DenoModule
}

/**
 * Where the breaker is: the absolute path of `file`; `undefined` if none was given.
 *
 * @throws UsageError if there is no such breaker in it
 */
export async function findDeno(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  const path = resolve(file)
  try {
    const { state } = await denoBreaker(path)
    if (state !== 'closed') throw new Error(`its CircuitBreaker is ${state}`)
  } catch (error) {
    throw new UsageError(
      `--deno cannot be '${file}', which should be ${USUAL_FILE}: ${(error as Error).message}`,
      { cause: error }
    )
  }
  return path
}

/** Its candidate, if it is to be compared. */
export function denoCandidates(
  { denoFile }: Settings,
  batch: number,
  prepare: (file: string) => Promise<Prepared>
): Candidate[] {
  return denoFile === undefined ? [] : [{ name: DENO, batch, prepare: () => prepare(denoFile) }]
}

/** Which one was compared, or how it can be. */
export function denoNote({ denoFile }: Settings): string {
  if (denoFile !== undefined) return `${DENO}: CircuitBreaker of ${packageOf(denoFile)}.`
  return `${DENO} was not compared: it is not on npm. In any folder: npx jsr add @std/async; then here: --deno <folder>/${USUAL_FILE}`
}

function packageOf(file: string): string {
  const text = readFileSync(join(dirname(file), 'package.json'), 'utf8')
  const { name, version } = JSON.parse(text) as { name: string; version: string }
  return `${name} ${version}`
}
