import type { BreakerTable } from '../../src/core/breaker-table.ts'
import { circuitStates } from '../../src/core/breaker-table.ts'
import type {
  CircuitBreaker,
  CircuitBreakerOptions,
  CircuitState,
  Counts,
  resolveCircuitBreakerOptions
} from '../../src/core/circuit-breaker.ts'
import { ManualClock } from '../../src/core/manual-clock.ts'
import type { Outcome } from '../../src/core/outcome.ts'
import { outcomeCodes } from '../../src/core/outcome.ts'
import type { Settings, Trace, Trip } from './traces.ts'

/** What is under test: the project's own code, or a mutant of it. */
export interface Core {
  BreakerTable: typeof BreakerTable
  CircuitBreaker: typeof CircuitBreaker
  resolveCircuitBreakerOptions: typeof resolveCircuitBreakerOptions
}

/** A breaker as a trace sees it. Calls are numbered in the order they ask for admission, from 0. */
interface Subject {
  advance(ms: number): void
  /** `a` for admitted, `o` for open, `t` for too many. */
  admit(): string
  settle(call: number, outcome: Outcome): void
  state(): CircuitState
  counts(): Readonly<Counts>
}

type OnChange = (from: CircuitState, to: CircuitState) => void

/** Makes one of the two forms the breaker comes in. */
export type Form = (core: Core, trace: Trace, onChange: OnChange) => Subject

export interface Mismatch {
  trace: Trace
  /** Number of the operation, from 0. */
  step: number
  expected: string
  got: string
}

const outcomes: Record<string, Outcome> = { s: 'success', f: 'failure', x: 'ignored' }
const answers: Record<string, string> = { CircuitOpenError: 'o', TooManyRequestsError: 't' }

/** The inner form, for many targets; it counts every result it is told, as gobreaker does. */
export const tableForm: Form = (core, { once, settings }, onChange) => {
  let now = 0
  const calls: Array<{ generation: number; bucketEnd: number } | undefined> = []
  const table = new core.BreakerTable(
    core.resolveCircuitBreakerOptions(options(settings)),
    () => 0,
    (_, from, to) => onChange(circuitStates[from]!, circuitStates[to]!)
  )
  table.resize(1)
  table.reset(0, now)
  return {
    advance(ms) {
      now += ms
    },
    admit() {
      const answer = table.admit(0, now)
      const call = { generation: table.generation(0), bucketEnd: table.bucketEnd(0) }
      calls.push(answer === 0 ? call : undefined)
      // 0 is admitted, -1 open, -2 too many.
      return 'aot'[-answer]!
    },
    settle(number, outcome) {
      const call = calls[number]
      if (call === undefined) return
      table.record(0, call.generation, call.bucketEnd, outcomeCodes[outcome], now)
      if (once) calls[number] = undefined
    },
    state: () => circuitStates[table.state(0, now)]!,
    counts: () => table.counts(0)
  }
}

/** The public form, for one target; its permits settle once, so it can replay only traces that do. */
export const publicForm: Form = (core, { settings }, onChange) => {
  const clock = new ManualClock()
  const calls: Array<ReturnType<CircuitBreaker['admit']> | undefined> = []
  const breaker = new core.CircuitBreaker(
    { ...options(settings), onStateChange: (_, from, to) => onChange(from, to) },
    { clock, random: () => 0 }
  )
  return {
    advance: ms => clock.advance(ms),
    admit() {
      try {
        calls.push(breaker.admit())
        return 'a'
      } catch (error) {
        calls.push(undefined)
        const answer = error instanceof Error ? answers[error.name] : undefined
        if (answer === undefined) throw error
        return answer
      }
    },
    settle: (number, outcome) => calls[number]?.settle(outcome),
    state: () => breaker.state,
    counts: () => breaker.counts
  }
}

function options({ trip, ...durations }: Settings): Partial<CircuitBreakerOptions> {
  return trip === undefined ? durations : { ...durations, readyToTrip: counts => isReady(trip, counts) }
}

function isReady(trip: NonNullable<Trip>, counts: Readonly<Counts>): boolean {
  if ('consecutive' in trip) return counts.consecutiveFailures >= trip.consecutive
  return counts.requests >= trip.least && counts.totalFailures * 100 >= trip.percent * counts.requests
}

/**
 * Does to ours what a trace says and compares all that can be seen after every operation.
 *
 * @param expected - what gobreaker showed, one word an operation: what it answered (`a` admitted, `o` open, `t`
 *   too many, the state's initial if asked for it, else `.`), changes of state as `>CO`, and if they changed
 *   the counts as `=1,0,1,0,0,1`
 * @returns the first difference
 */
export function compare(core: Core, form: Form, trace: Trace, expected: string): Mismatch | undefined {
  let transitions = ''
  let lastCounts = '0,0,0,0,0,0'
  const subject = form(core, trace, (from, to) => {
    transitions += `>${from[0]}${to[0]}`
  })
  const words = expected.split(' ')
  for (const [step, op] of trace.ops.split(' ').entries()) {
    transitions = ''
    const answer = perform(subject, op)
    const counts = countsText(subject.counts())
    const got = answer + transitions + (counts === lastCounts ? '' : `=${counts}`)
    if (got !== words[step]) return { trace, step, expected: words[step] ?? 'the end', got }
    lastCounts = counts
  }
  return undefined
}

function perform(subject: Subject, op: string): string {
  if (op === 'a') return subject.admit()
  if (op === '?') return subject.state()[0]!
  if (op.startsWith('+')) subject.advance(Number(op))
  else subject.settle(Number.parseInt(op, 10), outcomes[op.at(-1)!]!)
  return '.'
}

function countsText(counts: Readonly<Counts>): string {
  const { requests, totalSuccesses, totalFailures, totalExclusions } = counts
  const { consecutiveSuccesses, consecutiveFailures } = counts
  return `${requests},${totalSuccesses},${totalFailures},${totalExclusions},${consecutiveSuccesses},${consecutiveFailures}`
}

/** A mismatch in words, with all it takes to repeat it. */
export function describeMismatch({ trace, step, expected, got }: Mismatch): string {
  const ops = trace.ops.split(' ').slice(0, step + 1)
  return [
    `mismatch at step ${step} (${ops.at(-1)})${trace.seed === undefined ? '' : ` of the trace of seed ${trace.seed}`}`,
    `  settings ${JSON.stringify(trace.settings)}, once ${trace.once}`,
    `  ops      ${ops.join(' ')}`,
    `  expected ${expected}`,
    `  got      ${got}`
  ].join('\n')
}
