import { mkdirSync, writeFileSync } from 'node:fs'
import {
  type OptionTable,
  readNumber,
  readOptions,
  UsageError,
  usageOf,
  type Values
} from './command-line.ts'
import { describeMachine, type Machine, type Settings } from './harness.ts'
import { printMachine, printReport, type Report } from './report.ts'

/** What `npm run bench:<name>` runs. */
export interface Benchmark<Own extends OptionTable> {
  readonly name: string
  /** Packages of which the version matters. */
  readonly packages: readonly string[]
  /** Options besides those that all have. */
  readonly options: Own
  /**
   * Measures, and reports what it has found as it comes.
   *
   * @throws UsageError before the first report, if options do not go together
   */
  reports(settings: Settings, own: Values<Own>): AsyncIterable<Report>
}

/** What a run has found, as `--json` and `--save` give it. */
export interface Findings {
  readonly benchmark: string
  readonly machine: Machine
  readonly settings: Settings
  readonly reports: readonly Report[]
}

const common = {
  quick: { kind: 'flag', help: 'few rounds: whether it works, not how fast' },
  seed: { kind: 'text', help: 'repeats the chances of a run that printed this seed' },
  json: { kind: 'flag', help: 'prints all figures as JSON, and nothing else' },
  save: { kind: 'flag', help: 'keeps them in benchmarks/results' },
  help: { kind: 'flag', help: 'prints this' }
} as const satisfies OptionTable

/** Where findings are kept. */
export const RESULTS = new URL('./results/', import.meta.url)

/** Ends a benchmark that is asked for what there is not, after it has been said. */
const USAGE_EXIT_CODE = 2

/**
 * Runs a benchmark as its command line says. The exit code is 1 if a check has failed, and 2 if the command line is wrong.
 */
export async function runBenchmark<Own extends OptionTable>(benchmark: Benchmark<Own>): Promise<void> {
  const options = { ...common, ...benchmark.options }
  const usage = usageOf(`bench:${benchmark.name}`, options)
  try {
    const values = readOptions(process.argv.slice(2), options) as Values<typeof common> & Values<Own>
    if (values.help) console.log(usage)
    else await measure(benchmark, values)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`${error.message}\n\n${usage}`)
    process.exitCode = USAGE_EXIT_CODE
  }
}

async function measure<Own extends OptionTable>(
  benchmark: Benchmark<Own>,
  values: Values<typeof common> & Values<Own>
): Promise<void> {
  if (values.quick && values.save)
    throw new UsageError('--quick finds nothing worth keeping: not with --save')
  const seed = readNumber('seed', values.seed)
  const settings = { isQuick: values.quick, isReplay: seed !== undefined, seed: seed ?? Date.now() % 2 ** 31 }
  const machine = describeMachine(benchmark.packages)
  if (!values.json) printMachine(machine, settings)
  const reports: Report[] = []
  for await (const report of benchmark.reports(settings, values)) {
    reports.push(report)
    if (!values.json) printReport(report)
  }
  const findings: Findings = { benchmark: benchmark.name, machine, settings, reports }
  const text = JSON.stringify(findings, rounded, 1)
  if (values.json) console.log(text)
  if (values.save) save(findings, text)
  if (reports.some(({ checks }) => checks.some(({ passed }) => !passed))) process.exitCode = 1
}

/** Figures to six digits: more of them are chance. */
function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value
}

function save({ benchmark, machine }: Findings, text: string): void {
  mkdirSync(RESULTS, { recursive: true })
  const minute = machine.date.slice(0, 16).replace('T', '-').replace(':', '')
  const file = `${minute}-${benchmark}.json`
  writeFileSync(new URL(file, RESULTS), `${text}\n`)
  console.error(`Kept in benchmarks/results/${file}`)
}
