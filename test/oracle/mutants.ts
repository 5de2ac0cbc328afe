import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Core } from './replay.ts'

const SOURCE = join(import.meta.dirname, '../../src/core')

/** A mistake that could be made in the source, and that the golden traces must show. */
export interface Mutant {
  name: string
  file: 'breaker-table.ts' | 'circuit-breaker.ts' | 'protection-table.ts'
  /** Text that occurs once in the file. */
  replace: string
  by: string
}

function inTable(name: string, replace: string, by: string): Mutant {
  return { name, file: 'breaker-table.ts', replace, by }
}

// Left out because they change nothing: closing after so many successes in all instead of in a row (in
// HALF_OPEN a failure opens the circuit, so no run is ever broken); counting the failure of a probe (the counts
// are cleared with the change of state); not letting a run fall below 0 (it never would).
export const mutants: Mutant[] = [
  inTable('results of an older generation count', 'generation !== ints[base + GENERATION]', 'false'),
  inTable('one probe too many', 'this.#probesTaken(base) >= this', 'this.#probesTaken(base) > this'),
  inTable('an excluded probe is not given back', 'REQUESTS]! - ints[bucket + EXCLUSIONS]!', 'REQUESTS]!'),
  inTable(
    'half-open at the end of the timeout, not after it',
    'if (nowMs <= expiry)',
    'if (state === OPEN ? nowMs < expiry : nowMs <= expiry)'
  ),
  inTable(
    'a fixed window ends at its end, not after it',
    'if (nowMs <= expiry)',
    'if (state === CLOSED ? nowMs < expiry : nowMs <= expiry)'
  ),
  inTable('a bucket ends after its end, not at it', 'nowMs < doubles[', 'nowMs <= doubles['),
  inTable(
    'a result counts in the current bucket',
    'isCurrent ? this.#currentBucket(base) : this.#earlierBucket(base, bucketEnd)',
    'this.#currentBucket(base)'
  ),
  inTable('a result counts one bucket too long', 'behind >= this.#buckets', 'behind > this.#buckets'),
  inTable('a run is never shortened', 'if (ints[base + run] === spanned)', 'if (false)'),
  inTable('a run is always shortened', 'if (ints[base + run] === spanned)', ''),
  inTable(
    'the window is rounded down to whole buckets',
    'Math.ceil(options.intervalMs',
    'Math.floor(options.intervalMs'
  ),
  inTable(
    'no trip by a result too old to count',
    'outcome === FAILURE && this.#options.readyToTrip',
    'bucket >= 0 && outcome === FAILURE && this.#options.readyToTrip'
  ),
  inTable(
    'a failure does not end the run of successes',
    'ints[base + FAILURE_RUN]!++\n    ints[base + SUCCESS_RUN] = 0',
    'ints[base + FAILURE_RUN]!++'
  ),
  inTable(
    'a success does not end the run of failures',
    'ints[base + SUCCESS_RUN]!++\n    ints[base + FAILURE_RUN] = 0',
    'ints[base + SUCCESS_RUN]!++'
  ),
  inTable('a failure does not end its bucket’s run', 'ints[bucket + CONSECUTIVE_SUCCESSES] = 0', ''),
  inTable('a success does not end its bucket’s run', 'ints[bucket + CONSECUTIVE_FAILURES] = 0', ''),
  inTable(
    'a window left idle keeps its counts',
    'if (passed >= this.#buckets) this.#clearCounts(base)',
    'if (passed >= this.#buckets) {}'
  ),
  inTable(
    'a rolling window ends like a fixed one',
    'if (state === CLOSED && this.#buckets > 1)',
    'if (false)'
  ),
  inTable('buckets are counted from the very start', 'SINCE] = nowMs', 'SINCE] = 0'),
  inTable(
    'a change of state keeps the counts',
    'this.#setExpiry(base, expiry)\n    this.#clearCounts(base)',
    'this.#setExpiry(base, expiry)'
  ),
  inTable(
    'a failed probe is only counted',
    'if (outcome === FAILURE) this.#setState',
    'if (false) this.#setState'
  ),
  inTable('closes when all probes are taken', 'if (successRun >=', 'if (this.#probesTaken(base) >='),
  inTable('closes after one success', 'successRun >= due', 'successRun >= 1'),
  {
    name: 'no probe at all when maxRequests is 0',
    file: 'circuit-breaker.ts',
    replace: 'options.maxRequests === 0 ? 1 : options.maxRequests',
    by: 'options.maxRequests'
  },
  {
    name: 'no wait at all when timeoutMs is 0',
    file: 'circuit-breaker.ts',
    replace: 'options.timeoutMs === 0 ? DEFAULT_TIMEOUT_MS : options.timeoutMs',
    by: 'options.timeoutMs'
  },
  {
    name: 'trips by default at 5 failures',
    file: 'circuit-breaker.ts',
    replace: 'counts.consecutiveFailures > 5',
    by: 'counts.consecutiveFailures >= 5'
  },
  {
    name: 'a permit settles again and again',
    file: 'protection-table.ts',
    replace: 'calls.close(call)\n    this',
    by: 'this'
  },
  {
    name: 'a permit settles again and again with success',
    file: 'protection-table.ts',
    replace: 'calls.close(call)\n        return true',
    by: 'return true'
  },
  {
    name: 'successes of an older generation count',
    file: 'protection-table.ts',
    replace: 'calls.ints[call * INTS + CALL_GENERATION] === ints[base + GENERATION]',
    by: 'true'
  },
  {
    name: 'successes count in the current bucket',
    file: 'protection-table.ts',
    replace: 'calls.doubles[call * DOUBLES + BUCKET_END] === expiry',
    by: 'true'
  },
  {
    name: 'a success does not end the run of failures of its bucket',
    file: 'protection-table.ts',
    replace: 'ints[bucket + CONSECUTIVE_FAILURES] = 0\n',
    by: '\n'
  },
  {
    name: 'successes count though a period is over',
    file: 'protection-table.ts',
    replace: 'nowMs < expiry &&\n      calls.doubles',
    by: 'calls.doubles'
  }
]

/**
 * Loads the project's core from a copy in `folder`, with the mutant's mistake in it if there is one.
 *
 * @throws Error when the text to replace is not there exactly once, so that a mutant cannot silently become none
 */
export async function loadCore(folder: string, mutant?: Mutant): Promise<Core> {
  mkdirSync(folder)
  cpSync(SOURCE, folder, { recursive: true })
  if (mutant !== undefined) {
    const path = join(folder, mutant.file)
    writeFileSync(path, mutate(readFileSync(path, 'utf8'), mutant))
  }
  const load = (file: string) => import(/* @vite-ignore */ pathToFileURL(join(folder, file)).href)
  return { ...(await load('breaker-table.ts')), ...(await load('circuit-breaker.ts')) }
}

function mutate(source: string, { name, file, replace, by }: Mutant): string {
  const parts = source.split(replace)
  if (parts.length !== 2) {
    throw new Error(`Mutant '${name}': ${file} has its text ${parts.length - 1} times: ${replace}`)
  }
  return parts.join(by)
}
