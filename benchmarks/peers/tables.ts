import { type Interval, median, medianInterval } from '../interval.ts'
import { type Cell, type Check, figures as number, type Report } from '../report.ts'
import { percentile } from '../rig/run.ts'
import { blockCount } from '../rig/workload.ts'
import { type ArmName, arms, type Round } from './comparison.ts'
import { type Figures, figuresOf, shareError } from './figures.ts'

/** What is said of a comparison, and what it has to keep. */
export interface Subject {
  readonly name: string
  readonly title: string
  /** By how much the protection may be slower than a stock session, if it is judged by that. */
  readonly maxRatio?: number | undefined
  /** A few rounds scatter by more than what is to be found out: then only results are judged. */
  readonly isJudged: boolean
}

const SESSION = 'stock session'
const PROTECTED = 'protected'
const ORACLE = 'oracle'

/** Bytes sent over bytes wanted: some blocks are asked for twice, and there is more in a message than blocks. */
const MAX_BYTES_RATIO = 1.15

/** The latencies of all blocks of an arm are kept at so many points. */
const QUANTILES = 100

/** The figures of each round, by arm. */
interface Measured {
  readonly rounds: readonly Round[]
  readonly names: readonly ArmName[]
  figures(name: ArmName): Figures[]
}

/** Two tables: of the fetches, and of what the protection made of the peers. */
export function tabulate(subject: Subject, rounds: readonly Round[]): Report[] {
  const names = Object.keys(rounds[0]!.runs) as ArmName[]
  const byArm = new Map(
    names.map(name => [name, rounds.map(({ runs, scenario }) => figuresOf(runs[name]!, scenario))])
  )
  const measured: Measured = { rounds, names, figures: name => byArm.get(name)! }
  return [fetches(subject, measured), judgements(subject, measured)]
}

function fetches(subject: Subject, measured: Measured): Report {
  const { rounds, names } = measured
  const seeds = rounds.map(({ seed }) => seed)
  const seedText = seeds.length === 1 ? `seed ${seeds[0]}` : `seeds ${seeds[0]} to ${seeds.at(-1)}`
  return {
    name: subject.name,
    title: `${subject.title}; ${seedText}`,
    columns: [
      'arm',
      'leech_fails',
      'time_to_fetch',
      'of a stock session',
      'block p50',
      'p95',
      'p99',
      'max',
      'dup_blks_rcvd',
      'dup_data_rcvd',
      'bytes',
      'msgs_sent',
      'wants per block',
      'wasted'
    ],
    rows: names.map(name => fetchRow(name, measured)),
    notes: [],
    checks: fetchChecks(subject, measured),
    data: {
      seeds,
      blocks: blockCount(rounds[0]!.scenario.workload),
      arms: Object.fromEntries(
        names.map(name => [
          name,
          { quantilesMs: quantiles(pooled(rounds, name)), rounds: measured.figures(name) }
        ])
      )
    }
  }
}

function fetchRow(name: ArmName, measured: Measured): Cell[] {
  const figures = measured.figures(name)
  const latenciesMs = pooled(measured.rounds, name)
  const complete = figures.filter(({ leech_fails }) => leech_fails === 0)
  const middle = (figure: (of: Figures) => number): number => median(figures.map(figure))
  return [
    name,
    figures.reduce((sum, { leech_fails }) => sum + leech_fails, 0),
    complete.length === 0 ? undefined : `${number(median(complete.map(of => of.time_to_fetch)))} ms`,
    name === SESSION ? undefined : shown(ratioToSession(measured, name)),
    ...[0.5, 0.95, 0.99, 1].map(share =>
      latenciesMs.length === 0 ? undefined : `${number(percentile({ latenciesMs }, share))} ms`
    ),
    middle(of => of.dup_blks_rcvd),
    `${number(middle(of => of.dup_data_rcvd) / 1_000)} kB`,
    middle(of => of.bytesRatio),
    middle(of => of.msgs_sent),
    middle(of => of.wantsPerBlock),
    middle(of => of.wastedWantsPerBlock)
  ]
}

function fetchChecks({ maxRatio, isJudged }: Subject, measured: Measured): Check[] {
  const figures = measured.figures(PROTECTED)
  const failed = figures.reduce((sum, { leech_fails }) => sum + leech_fails, 0)
  const ratio = ratioToSession(measured, PROTECTED)
  const bytes = medianInterval(
    figures.map(({ bytesRatio }) => bytesRatio),
    1
  )
  const checks = [{ name: 'every block came', passed: failed === 0, detail: `${failed} did not` }]
  if (!isJudged) return checks
  checks.push(atMost('bytes sent over bytes wanted', bytes, MAX_BYTES_RATIO))
  if (maxRatio !== undefined && ratio !== undefined)
    checks.push(atMost('as quick as a stock session', ratio, maxRatio))
  return checks
}

function judgements(subject: Subject, measured: Measured): Report {
  const names = measured.names.filter(name => hasService(name) && name !== ORACLE)
  const falseOpens = names.reduce((sum, name) => sum + total(measured.figures(name), 'falseOpens'), 0)
  return {
    name: `${subject.name}, peers`,
    title: 'what the protection made of them',
    columns: [
      'arm',
      'bad opened',
      'missed',
      'time to open',
      'max',
      'time to reclose',
      'good opened',
      'per good-peer-hour',
      'supply loss',
      'share error'
    ],
    rows: names.map(name => judgementRow(name, measured)),
    notes: [],
    checks: [{ name: 'no good peer was refused', passed: falseOpens === 0, detail: `${falseOpens} were` }],
    data: undefined
  }
}

function judgementRow(name: ArmName, measured: Measured): Cell[] {
  const figures = measured.figures(name)
  const openMs = figures.flatMap(({ judgement }) => judgement.timeToOpenMs)
  const recloseMs = figures.flatMap(({ judgement }) => judgement.timeToRecloseMs)
  const shownBad = total(figures, 'shown')
  const falseOpens = total(figures, 'falseOpens')
  const goodPeerHours = total(figures, 'goodPeerHours')
  const oracle = measured.names.includes(ORACLE) ? measured.figures(ORACLE) : undefined
  return [
    name,
    shownBad === 0 ? undefined : `${openMs.length} of ${shownBad}`,
    shownBad === 0 ? undefined : percent(1 - openMs.length / shownBad),
    openMs.length === 0 ? undefined : `${number(median(openMs))} ms`,
    openMs.length === 0 ? undefined : `${number(Math.max(...openMs))} ms`,
    recloseMs.length === 0 ? undefined : `${number(median(recloseMs))} ms`,
    falseOpens,
    goodPeerHours === 0 ? undefined : falseOpens / goodPeerHours,
    percent(Math.max(...figures.map(({ judgement }) => judgement.supplyLoss))),
    oracle && median(figures.map((of, round) => shareError(of, oracle[round]!)))
  ]
}

function hasService(name: ArmName): boolean {
  return arms[name].arm !== 'session' && arms[name].arm !== 'broadcast'
}

function total(figures: readonly Figures[], name: 'shown' | 'falseOpens' | 'goodPeerHours'): number {
  return figures.reduce((sum, { judgement }) => sum + judgement[name], 0)
}

/** How much longer than a stock session of the same seed it took, where neither lost a block. */
function ratioToSession(measured: Measured, name: ArmName): Interval | undefined {
  if (!measured.names.includes(SESSION)) return undefined
  const sessions = measured.figures(SESSION)
  const ratios = measured
    .figures(name)
    .flatMap((of, round) =>
      of.leech_fails === 0 && sessions[round]!.leech_fails === 0
        ? [of.time_to_fetch / sessions[round]!.time_to_fetch]
        : []
    )
  return ratios.length === 0 ? undefined : medianInterval(ratios, 1)
}

/** Latencies of all rounds, shortest first. */
function pooled(rounds: readonly Round[], name: ArmName): number[] {
  return rounds.flatMap(({ runs }) => runs[name]!.latenciesMs).toSorted((one, other) => one - other)
}

function quantiles(latenciesMs: readonly number[]): number[] {
  if (latenciesMs.length === 0) return []
  return Array.from({ length: QUANTILES + 1 }, (_, at) => percentile({ latenciesMs }, at / QUANTILES))
}

/** Judged by the interval: only one that lies wholly above the limit breaks it. */
function atMost(name: string, interval: Interval, limit: number): Check {
  return { name, passed: interval.low <= limit, detail: `${shown(interval)}, at most ${limit}` }
}

function shown(interval: Interval | undefined): string | undefined {
  if (interval === undefined) return undefined
  const { median: middle, low, high } = interval
  return `${middle.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`
}

function percent(share: number): string {
  return `${number(100 * share)} %`
}
