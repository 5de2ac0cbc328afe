import {
  allocationFlags,
  type Candidate,
  measureAllocation,
  runInChild,
  type Settings,
  type Spread,
  spread,
  timeInterleaved
} from './harness.ts'
import { type Cell, type Check, duration, figures, type Report } from './report.ts'

/** A row group: what its child processes do, and how their answers make a report. */
export interface Group {
  readonly name: string
  readonly title: string
  /** What a child process of the group can be asked for. */
  readonly tasks: Readonly<Record<string, (input: never) => unknown>>
  report(settings: Settings): Promise<Report>
}

/** How two candidates compare: the one divided by the other, round by round. */
export interface Ratio {
  readonly of: string
  readonly to: string
  /** What the project wants it to be at most. */
  readonly goal?: number
}

export interface MeasuredRatio extends Ratio {
  readonly value: Spread
  /** From the times with the process to itself. */
  readonly alone: number | undefined
}

/** A candidate's figures. */
export interface TimedRow {
  readonly name: string
  readonly ns: Spread
  readonly bytes: number
  /** ns with the process to itself; not measured in a quick run. */
  readonly aloneNs: Spread | undefined
  readonly goalNs: number | undefined
}

/** A group of candidates that are timed against each other. */
export interface TimedGroup {
  readonly name: string
  readonly title: string
  /** The candidate that does nothing but what all the others have to, and ours: what the others are divided by. */
  readonly raw?: string
  readonly ours?: string
  ratios?(settings: Settings): readonly Ratio[]
  notes?(settings: Settings): readonly string[]
  candidates(settings: Settings): readonly Candidate[]
  checks?(rows: readonly TimedRow[]): readonly Check[]
}

/** What a child is asked to measure: all candidates together, or one alone. */
interface Selection {
  readonly settings: Settings
  readonly only?: string
}

export function timedGroup(group: TimedGroup): Group {
  const select = ({ settings, only }: Selection): readonly Candidate[] =>
    group.candidates(settings).filter(({ name }) => only === undefined || name === only)
  return {
    name: group.name,
    title: group.title,
    tasks: {
      time: (selection: Selection) => timeInterleaved(select(selection), selection.settings),
      allocation: (selection: Selection) => measureAllocation(select(selection))
    },
    report: settings => report(group, settings)
  }
}

async function report(group: TimedGroup, settings: Settings): Promise<Report> {
  const candidates = group.candidates(settings)
  const samples = await runInChild<number[][]>(group.name, 'time', { settings })
  const rows = await measureRows(group.name, candidates, samples, settings)
  const compare = (of: string, to: string): Spread => {
    const divisors = samples[indexOf(candidates, to)]!
    return spread(samples[indexOf(candidates, of)]!.map((ns, round) => ns / divisors[round]!))
  }
  const divided = (of: string, to: string | undefined): Cell =>
    to === undefined ? undefined : compare(of, to).median
  const ratios: MeasuredRatio[] = (group.ratios?.(settings) ?? []).map(ratio => ({
    ...ratio,
    value: compare(ratio.of, ratio.to),
    alone: aloneRatio(rows, ratio)
  }))
  return {
    name: group.name,
    title: group.title,
    columns: ['', 'median', 'p25', 'p75', 'alone', 'B/op', 'x raw', 'x ours', 'goal'],
    rows: rows.map(row => cells(row, divided(row.name, group.raw), divided(row.name, group.ours))),
    notes: [
      ...ratios.map(ratioText),
      // A few rounds do not tell whether a goal is met.
      ...(settings.isQuick ? [] : missedGoals(rows, ratios)),
      ...(group.notes?.(settings) ?? [])
    ],
    checks: group.checks?.(rows) ?? [],
    data: { rows, ratios }
  }
}

async function measureRows(
  group: string,
  candidates: readonly Candidate[],
  samples: readonly number[][],
  settings: Settings
): Promise<TimedRow[]> {
  const bytes = await runInChild<number[]>(group, 'allocation', { settings }, allocationFlags)
  const rows: TimedRow[] = []
  for (const [index, { name, goalNs }] of candidates.entries()) {
    const aloneNs = settings.isQuick ? undefined : await timeAlone(group, name, settings)
    rows.push({ name, ns: spread(samples[index]!), bytes: bytes[index]!, aloneNs, goalNs })
  }
  return rows
}

async function timeAlone(group: string, only: string, settings: Settings): Promise<Spread> {
  const [samples] = await runInChild<number[][]>(group, 'time', { settings, only })
  return spread(samples!)
}

function indexOf(candidates: readonly Candidate[], name: string): number {
  const index = candidates.findIndex(candidate => candidate.name === name)
  if (index < 0) throw new Error(`No candidate ${name}`)
  return index
}

function cells(row: TimedRow, toRaw: Cell, toOurs: Cell): Cell[] {
  return [
    row.name,
    duration(row.ns.median),
    duration(row.ns.p25),
    duration(row.ns.p75),
    row.aloneNs && duration(row.aloneNs.median),
    row.bytes,
    toRaw,
    toOurs,
    row.goalNs && `<= ${duration(row.goalNs)}`
  ]
}

function aloneRatio(rows: readonly TimedRow[], { of, to }: Ratio): number | undefined {
  const [ofNs, toNs] = [of, to].map(wanted => rows.find(({ name }) => name === wanted)?.aloneNs?.median)
  return ofNs === undefined || toNs === undefined ? undefined : ofNs / toNs
}

function ratioText({ of, to, goal, value, alone }: MeasuredRatio): string {
  const spreadText = `${figures(value.median)} (${figures(value.p25)} to ${figures(value.p75)})`
  const aloneText = alone === undefined ? '' : `, alone ${figures(alone)}`
  return `${of} / ${to} = ${spreadText}${aloneText}${goal === undefined ? '' : `, goal <= ${goal}`}`
}

/** What is not as fast as the project wants it to be, in words. It tells where to look, and makes no run fail. */
export function missedGoals(rows: readonly TimedRow[], ratios: readonly MeasuredRatio[]): string[] {
  return [
    ...rows
      .filter(({ ns, goalNs }) => goalNs !== undefined && ns.median > goalNs)
      .map(({ name, ns, aloneNs, goalNs }) => {
        const aloneText = aloneNs === undefined ? '' : ` (alone ${duration(aloneNs.median)})`
        return `missed: ${name} takes ${duration(ns.median)}${aloneText}, goal ${duration(goalNs!)}`
      }),
    ...ratios
      .filter(({ value, goal }) => goal !== undefined && value.median > goal)
      .map(
        ({ of, to, value, goal }) =>
          `missed: ${of} takes ${figures(value.median)} times what ${to} does, goal ${goal}`
      )
  ]
}
