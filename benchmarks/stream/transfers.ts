import { seededRandom, shuffled } from '../harness.ts'
import { type Interval, median, medianInterval } from '../interval.ts'
import { type Cell, type Check, figures, type Report } from '../report.ts'
import type { Memory } from './node-commands.ts'
import { type Arm, type Goods, Pair, type PairCost } from './pair.ts'
import { ASKING, type Measure, SERVING, STOCK, type Workload } from './workloads.ts'

const MAX_TIME_RATIO = 1.03
const MAX_CPU_RATIO = 1.05

/** What was measured in one round of one arm. */
interface Run extends PairCost {
  readonly memory: { readonly asking: Memory; readonly serving: Memory }
  /** Whether exactly those nodes had the service that are said to. */
  readonly isAsSaid: boolean
}

/** The runs of an arm, one for each round. */
interface ArmRuns {
  readonly arm: Arm
  readonly runs: readonly Run[]
}

/** What an arm takes of what stock takes, round by round. */
export interface ArmRatios {
  readonly arm: string
  readonly time: Interval
  readonly askingCpu: Interval
  readonly servingCpu: Interval
}

const columns = [
  'arm',
  'runs',
  'time',
  'MB/s',
  'CPU asking',
  'CPU serving',
  'time, of stock',
  'CPU asking, of stock',
  'CPU serving, of stock',
  'memory, asking + serving',
  'at most'
]

/** Runs all arms of a workload in turns, in another order each round, and reports each of its measures. */
export async function measureWorkload(
  { arms, rounds, measures }: Workload,
  goods: Goods,
  seed: number,
  isQuick: boolean
): Promise<Report[]> {
  const random = seededRandom(seed)
  const found = measures.map(() => arms.map((): Run[] => []))
  for (let round = 0; round < rounds; round++) {
    for (const index of shuffled(arms.length, random)) {
      const runs = await runMeasures(arms[index]!, goods, measures)
      for (const [measure, run] of runs.entries()) found[measure]![index]!.push(run)
    }
  }
  return measures.map((measure, index) => {
    const armRuns = found[index]!.map((runs, at) => ({ arm: arms[at]!, runs }))
    return report(measure, armRuns, seed, isQuick)
  })
}

async function runMeasures(arm: Arm, goods: Goods, measures: readonly Measure[]): Promise<Run[]> {
  await using pair = await Pair.start(arm, goods)
  const runs: Run[] = []
  for (const measure of measures) {
    await measure.warmUp?.(pair)
    const cost = await measure.run(pair)
    runs.push({ ...cost, memory: await pair.memory(), isAsSaid: await pair.isAsSaid(arm) })
  }
  return runs
}

function report(measure: Measure, armRuns: readonly ArmRuns[], seed: number, isQuick: boolean): Report {
  const { name, title, sizeBytes, isJudged } = measure
  const stock = armRuns.find(({ arm }) => arm === STOCK)!.runs
  const ratio = (runs: readonly Run[], figure: (run: Run) => number): Interval =>
    medianInterval(
      runs.map((run, round) => figure(run) / figure(stock[round]!)),
      seed
    )
  const ratios: ArmRatios[] = armRuns
    .filter(({ arm }) => arm !== STOCK)
    .map(({ arm, runs }) => ({
      arm: arm.name,
      time: ratio(runs, timeOf),
      askingCpu: ratio(runs, askingCpuOf),
      servingCpu: ratio(runs, servingCpuOf)
    }))
  const rows = armRuns.map(({ arm, runs }) =>
    row(
      arm,
      runs,
      sizeBytes,
      ratios.find(({ arm: name }) => name === arm.name)
    )
  )
  const all = armRuns.flatMap(({ runs }) => runs)
  const failed = all.reduce((sum, run) => sum + run.failed, 0)
  const checks: Check[] = [
    { name: 'everything came, as it was sent', passed: failed === 0, detail: `${failed} did not` },
    {
      name: 'the service was there where it is said to be, and nowhere else',
      passed: all.every(({ isAsSaid }) => isAsSaid),
      detail: `in ${all.filter(({ isAsSaid }) => isAsSaid).length} of ${all.length} runs`
    }
  ]
  // A few rounds scatter by more than what is to be found out.
  if (isJudged && !isQuick)
    for (const { arm, runs } of armRuns) checks.push(...limitsOf(arm, figure => ratio(runs, figure)))
  return { name, title, columns, rows, notes: [], checks, data: { measure, ratios, armRuns } }
}

const timeOf = (run: Run): number => run.timeMs
const askingCpuOf = (run: Run): number => run.cpuMs
const servingCpuOf = (run: Run): number => run.servingCpuMs

/** What the node with the service may take, of what it takes without. */
function limitsOf(arm: Arm, ratio: (figure: (run: Run) => number) => Interval): Check[] {
  if (arm !== ASKING && arm !== SERVING) return []
  const cpuOf = arm === ASKING ? askingCpuOf : servingCpuOf
  return [
    atMost(`${arm.name}: time`, ratio(timeOf), MAX_TIME_RATIO),
    atMost(`${arm.name}: its CPU`, ratio(cpuOf), MAX_CPU_RATIO)
  ]
}

function row(
  arm: Arm,
  runs: readonly Run[],
  sizeBytes: number | undefined,
  ratios: ArmRatios | undefined
): Cell[] {
  const middle = (figure: (run: Run) => number): number => median(runs.map(figure))
  const megabytes = (figure: (memory: Memory) => number): string =>
    (['asking', 'serving'] as const)
      .map(node => figures(Math.round(middle(({ memory }) => figure(memory[node])) / 1e6)))
      .join(' + ')
  return [
    arm.name,
    runs.length,
    `${figures(middle(timeOf))} ms`,
    sizeBytes && figures(sizeBytes / 1e3 / middle(timeOf)),
    `${figures(middle(askingCpuOf))} ms`,
    `${figures(middle(servingCpuOf))} ms`,
    ...[ratios?.time, ratios?.askingCpu, ratios?.servingCpu].map(ratio => ratio && shown(ratio)),
    `${megabytes(({ usedBytes }) => usedBytes)} MB`,
    `${megabytes(({ peakBytes }) => peakBytes)} MB`
  ]
}

/** Judged by the interval: only one that lies wholly above the limit breaks it. */
function atMost(name: string, interval: Interval, limit: number): Check {
  return { name, passed: interval.low <= limit, detail: `${shown(interval)} of stock, at most ${limit}` }
}

function shown({ median: middle, low, high }: Interval): string {
  return `${middle.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`
}
