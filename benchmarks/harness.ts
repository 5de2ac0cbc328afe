import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { ChildProgram } from '../src/cli/swarm/child-program.ts'

/** One thing that is measured. */
export interface Candidate {
  readonly name: string
  /** Operations in a batch: many enough that reading the clock around it costs nothing. */
  readonly batch: number
  /** What the project wants it to take at most, in ns. */
  readonly goalNs?: number
  /** Called once in the process that measures. */
  prepare(): Prepared | Promise<Prepared>
}

/** A candidate ready to run. */
export interface Prepared {
  /** Does the operation so many times. A number is the ns it took in all, where not everything it does counts. */
  run(times: number): void | number | Promise<void>
  /** Called before each batch, not timed. */
  before?(): void | Promise<void>
  /** Asked after all batches: why what was measured is not what the name says; `undefined` if it is. */
  fault?(): string | undefined
}

/** How long and in which order to measure. */
export interface Settings {
  readonly isQuick: boolean
  /** Where all chances come from. */
  readonly seed: number
  /** Whether the seed was asked for; otherwise it is another in each run. */
  readonly isReplay: boolean
  /** Module of Deno's breaker, as an absolute path; it is compared only if given. */
  readonly denoFile?: string | undefined
}

/** Median and spread of some samples. */
export interface Spread {
  readonly median: number
  readonly p25: number
  readonly p75: number
}

const WARM_UP_ROUNDS = 3
const ROUNDS = 25
const QUICK_ROUNDS = 4
const ALLOCATION_ROUNDS = 3

/** Longest a child process may take. A hung one fails the run instead of stopping it. */
const CHILD_LIMIT_MS = 300_000

/** No collection of young garbage falls inside a batch, so that the growth of the heap is what was allocated. */
export const allocationFlags: readonly string[] = ['--min-semi-space-size=512', '--max-semi-space-size=512']

/** ns per operation of every round, by candidate: all in this process, in another order in each round. */
export async function timeInterleaved(
  candidates: readonly Candidate[],
  settings: Settings
): Promise<number[][]> {
  const random = seededRandom(settings.seed)
  const prepared = await prepareAll(candidates)
  const samples: number[][] = candidates.map(() => [])
  const rounds = settings.isQuick ? QUICK_ROUNDS : ROUNDS
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    for (const index of shuffled(candidates.length, random)) {
      const ns = await timeBatch(prepared[index]!, candidates[index]!.batch)
      if (round >= 0) samples[index]!.push(ns)
    }
  }
  reportFaults(candidates, prepared)
  return samples
}

/** Bytes per operation, by candidate. For a process with {@link allocationFlags}. */
export async function measureAllocation(candidates: readonly Candidate[]): Promise<number[]> {
  const bytes: number[] = []
  for (const candidate of candidates) {
    const prepared = await candidate.prepare()
    // What is optimised allocates less, so it has to be by now.
    for (let round = 0; round < WARM_UP_ROUNDS; round++) await timeBatch(prepared, candidate.batch)
    const samples: number[] = []
    for (let round = 0; round < ALLOCATION_ROUNDS; round++)
      samples.push(await allocateBatch(prepared, candidate.batch))
    reportFaults([candidate], [prepared])
    bytes.push(spread(samples).median)
  }
  return bytes
}

async function prepareAll(candidates: readonly Candidate[]): Promise<Prepared[]> {
  const prepared: Prepared[] = []
  for (const candidate of candidates) prepared.push(await candidate.prepare())
  return prepared
}

async function timeBatch(prepared: Prepared, batch: number): Promise<number> {
  await prepared.before?.()
  // Nobody pays for the garbage of the one before, and a clock read once per turn is read anew.
  globalThis.gc?.({ type: 'minor' })
  await nextTurn()
  const start = process.hrtime.bigint()
  const running = prepared.run(batch)
  if (typeof running === 'number') return running / batch
  if (running !== undefined) await running
  return Number(process.hrtime.bigint() - start) / batch
}

async function allocateBatch(prepared: Prepared, batch: number): Promise<number> {
  await prepared.before?.()
  globalThis.gc?.()
  await nextTurn()
  const before = process.memoryUsage().heapUsed
  const running = prepared.run(batch)
  if (typeof running === 'object') await running
  return (process.memoryUsage().heapUsed - before) / batch
}

function reportFaults(candidates: readonly Candidate[], prepared: readonly Prepared[]): void {
  for (const [index, { name }] of candidates.entries()) {
    const fault = prepared[index]!.fault?.()
    if (fault !== undefined) throw new Error(`${name} measured something else: ${fault}`)
  }
}

/** Lets one turn of the event loop pass. */
export function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

/** Numbers from 0 up to, not including, 1: the same again for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The numbers from 0 below `length` in random order. */
export function shuffled(length: number, random: () => number): number[] {
  const order = Array.from({ length }, (_, index) => index)
  for (let last = length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    ;[order[last], order[other]] = [order[other]!, order[last]!]
  }
  return order
}

export function spread(samples: readonly number[]): Spread {
  const sorted = samples.toSorted((a, b) => a - b)
  return { median: quantile(sorted, 0.5), p25: quantile(sorted, 0.25), p75: quantile(sorted, 0.75) }
}

function quantile(sorted: readonly number[], share: number): number {
  const position = (sorted.length - 1) * share
  const below = sorted[Math.floor(position)]!
  return below + (sorted[Math.ceil(position)]! - below) * (position % 1)
}

/** What the process of a task can be told to do. */
export interface TaskCommands {
  run(group: string, task: string, input: unknown): unknown
}

/** Has a task of a row group done in a process of its own. */
export async function runInChild<Result>(
  group: string,
  task: string,
  input: unknown,
  flags: readonly string[] = []
): Promise<Result> {
  await using child = new ChildProgram<TaskCommands>({
    name: `${group}/${task}`,
    program: new URL('./child.ts', import.meta.url),
    execArgv: ['--conditions=bitswap-protection-source', '--expose-gc', ...flags],
    answerLimitMs: CHILD_LIMIT_MS
  })
  return (await child.call('run', group, task, input)) as Result
}

/** Where and with what the figures were taken. */
export interface Machine {
  readonly date: string
  /** Of this repository; ends in `-dirty` if files differ from it, and is `unknown` outside of one. */
  readonly commit: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  /** Over the last minute, when the run began: above the number of cores, figures are worthless. */
  readonly load: number
  readonly node: string
  readonly v8: string
  readonly packages: Readonly<Record<string, string>>
}

/** @param packages - of which the version matters */
export function describeMachine(packages: readonly string[]): Machine {
  const processors = cpus()
  return {
    date: new Date().toISOString(),
    commit: currentCommit(),
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    load: loadavg()[0]!,
    node: process.version,
    v8: process.versions.v8,
    packages: Object.fromEntries(packages.map(name => [name, installedVersion(name)]))
  }
}

function currentCommit(): string {
  const { stdout } = spawnSync('git', ['describe', '--always', '--dirty', '--abbrev=10'], {
    cwd: import.meta.dirname,
    encoding: 'utf8'
  })
  return stdout?.trim() || 'unknown'
}

function installedVersion(name: string): string {
  const path = new URL(`../node_modules/${name}/package.json`, import.meta.url)
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
}
