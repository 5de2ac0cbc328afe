import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import * as breakerTable from '../../src/core/breaker-table.ts'
import * as circuitBreaker from '../../src/core/circuit-breaker.ts'
import { Gobreaker } from './gobreaker.ts'
import { writeGolden } from './golden.ts'
import { type Core, compare, describeMismatch, type Form, publicForm, tableForm } from './replay.ts'
import { Tally } from './tally.ts'
import { exhaustiveTraces, randomTrace, type Trace } from './traces.ts'

const core: Core = { ...breakerTable, ...circuitBreaker }
/** Traces handed to gobreaker at once. */
const BATCH = 10_000
const TRACE_LENGTH = 200
const EXHAUSTIVE_DEPTH = 6
/** How many mismatches are printed of each check. */
const SHOWN = 3

/** One thing a run proves. */
class Check {
  readonly #name: string
  readonly #form: Form
  readonly #leastOperations: number
  readonly #tally = new Tally()

  constructor(name: string, form: Form, leastOperations: number) {
    this.#name = name
    this.#form = form
    this.#leastOperations = leastOperations
  }

  compare(trace: Trace, expected: string): void {
    if (this.#form === publicForm && !trace.once) return
    const mismatch = compare(core, this.#form, trace, expected)
    this.#tally.add(trace, expected)
    if (mismatch === undefined) return
    this.#tally.mismatches++
    if (this.#tally.mismatches <= SHOWN) console.error(`${this.#name}: ${describeMismatch(mismatch)}`)
  }

  /** Prints the figures; returns whether all was equal and enough was seen. */
  conclude(): boolean {
    const { operations, mismatches } = this.#tally
    console.log(`${this.#name}: ${this.#tally}`)
    const lacking: string[] = this.#tally.missing()
    if (operations < this.#leastOperations) lacking.push(`${this.#leastOperations} operations`)
    if (lacking.length > 0) console.error(`${this.#name}: proves nothing, for lack of ${lacking.join(', ')}`)
    return mismatches === 0 && lacking.length === 0
  }
}

function* randomTraces(seed: number, operations: number): Generator<Trace> {
  for (let made = 0; made < operations; made += TRACE_LENGTH) yield randomTrace(seed++, TRACE_LENGTH)
}

function compareAll(gobreaker: Gobreaker, traces: Iterable<Trace>, checks: Check[]): void {
  for (const batch of batches(traces)) {
    const expected = gobreaker.replay(batch)
    for (const [index, trace] of batch.entries()) {
      for (const check of checks) check.compare(trace, expected[index]!)
    }
  }
}

function* batches(traces: Iterable<Trace>): Generator<Trace[]> {
  let batch: Trace[] = []
  for (const trace of traces) {
    batch.push(trace)
    if (batch.length < BATCH) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

function main(): boolean[] {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: `${randomInt(2 ** 31)}` },
      ops: { type: 'string', default: '4000000' },
      'write-golden': { type: 'boolean', default: false }
    }
  })
  const seed = wholeNumber(values.seed)
  const operations = wholeNumber(values.ops)
  const gobreaker = new Gobreaker()
  if (values['write-golden']) writeGolden(gobreaker)

  const random = [
    new Check('random, table', tableForm, operations),
    // Every other trace repeats results.
    new Check('random, public class', publicForm, Math.floor(operations / TRACE_LENGTH / 2) * TRACE_LENGTH)
  ]
  const exhaustive = [
    new Check('exhaustive, table', tableForm, 1),
    new Check('exhaustive, public class', publicForm, 1)
  ]
  console.log(`seed ${seed}, to be repeated with: npm run test:oracle -- --seed ${seed}`)
  compareAll(gobreaker, randomTraces(seed, operations), random)
  compareAll(gobreaker, exhaustiveTraces(EXHAUSTIVE_DEPTH), exhaustive)
  return [...random, ...exhaustive].map(check => check.conclude())
}

function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new Error(`Not a whole number: ${text}`)
  return Number(text)
}

/** Without results, as without Go, the run as a whole counts as one failure. */
function resultsOfMain(): boolean[] {
  try {
    return main()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    return [false]
  }
}

const results = resultsOfMain()
const passed = results.filter(Boolean).length
console.log(`\n${passed} passed, ${results.length - passed} failed, 0 skipped`)
process.exitCode = passed === results.length ? 0 : 1
