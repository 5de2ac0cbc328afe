import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom, shuffled, spread } from '../harness.ts'
import { medianInterval } from '../interval.ts'
import { type Cell, type Check, figures, type Report } from '../report.ts'
import { type Arm, FailoverRig, type Fault, faults } from './failover-rig.ts'
import type { Parts } from './parts.ts'
import { ReaderCrowd } from './reader-crowd.ts'
import { figuresOf, type ReadingFigures } from './readings.ts'

/** How failovers are measured. Times in ms. */
export interface FailoverPlan {
  /** Readers at once, by which the reports are named. */
  readonly loads: readonly number[]
  /** Who takes part. */
  readonly arms: readonly Arm[]
  readonly runs: number
  /** How long the primary node is well, and then is not. */
  readonly beforeMs: number
  readonly outageMs: number
}

/** What the project wants a reader to wait for an answer at most, in ms. */
const MAX_STALL_MS = 500

/** How long it may take until the primary node is asked again, in ms. */
const RECOVERY_LIMIT_MS = 15_000

/** How often it is looked whether it is, in ms. */
const LOOK_EVERY_MS = 5

/** What came of one fault. */
interface Run {
  readonly fault: Fault
  readonly arm: Arm
  /** Of reads that ended before it; and since. */
  readonly before: ReadingFigures
  readonly since: ReadingFigures
  /** From when the node was back until it answered a read, in ms; `undefined` if it never did. */
  readonly recoveryMs: number | undefined
}

/** Has the primary one of two nodes fail, under load, and come back; all arms in turns. */
export async function* measureFailovers(
  { haproxy, versions }: Parts,
  plan: FailoverPlan,
  seed: number,
  isQuick: boolean
): AsyncGenerator<Report> {
  await using rig = await FailoverRig.start(haproxy)
  for (const readers of plan.loads) {
    const runs = await runAll(rig, plan, readers, seed)
    yield report(plan, readers, runs, versions, seed, isQuick)
  }
}

async function runAll(rig: FailoverRig, plan: FailoverPlan, readers: number, seed: number): Promise<Run[]> {
  const random = seededRandom(seed)
  const runs: Run[] = []
  for (let round = 0; round < plan.runs; round++)
    for (const fault of shuffled(faults.length, random))
      for (const arm of shuffled(plan.arms.length, random))
        runs.push(await runOnce(rig, plan, readers, faults[fault]!, plan.arms[arm]!))
  return runs
}

async function runOnce(
  rig: FailoverRig,
  { beforeMs, outageMs }: FailoverPlan,
  readers: number,
  fault: Fault,
  arm: Arm
): Promise<Run> {
  await using client = await rig.client(arm, fault)
  const crowd = new ReaderCrowd(readers, async () => rig.nodeOf(await client.height()))
  // What came of the last fault may not be over for a proxy.
  await untilPrimaryAnswers(crowd, performance.now())
  const startMs = performance.now()
  await sleep(beforeMs)
  const faultMs = performance.now()
  await rig.inflict(fault)
  await sleep(outageMs)
  await rig.mend(fault)
  const recoveryMs = await untilPrimaryAnswers(crowd, performance.now())
  await crowd.stop()
  return {
    fault,
    arm,
    before: figuresOf(crowd.readings, startMs, faultMs),
    since: figuresOf(crowd.readings, faultMs),
    recoveryMs
  }
}

/** Resolves with how long it took, in ms; with `undefined` if it takes too long. */
async function untilPrimaryAnswers(crowd: ReaderCrowd, sinceMs: number): Promise<number | undefined> {
  while (performance.now() < sinceMs + RECOVERY_LIMIT_MS) {
    const tookMs = crowd.answeredByPrimary(sinceMs)
    if (tookMs !== undefined) return tookMs
    await sleep(LOOK_EVERY_MS)
  }
  return undefined
}

function report(
  { arms, beforeMs, outageMs }: FailoverPlan,
  readers: number,
  runs: readonly Run[],
  versions: string,
  seed: number,
  isQuick: boolean
): Report {
  const cases = faults.flatMap(fault =>
    arms.map(arm => runs.filter(run => run.fault === fault && run.arm === arm))
  )
  const ours = runs.filter(({ arm }) => arm === 'ours')
  return {
    name: `failover-${readers}`,
    title: `the primary one of two nodes fails for ${figures(outageMs / 1000)} s, ${readers} readers`,
    columns: [
      'primary',
      'arm',
      'runs',
      'reads',
      'failed',
      'longest stall',
      'at worst',
      'p99',
      'p99 while well',
      'back after',
      'at worst'
    ],
    rows: cases.map(row),
    notes: [
      `Of each run: ${figures(beforeMs / 1000)} s in which the node is well, the fault, and what follows until it has answered again. Stall: how long a reader was without an answer that he wanted. Medians over runs, and the worst.`,
      `${versions}. HAProxy connects to the nodes without TLS; ours goes through another one that only ends TLS. TLS-dead: new connections are accepted, and nothing is said on them; to HAProxy that is a node that does not answer.`
    ],
    checks: [...countChecks(ours), ...(isQuick ? [] : faults.map(fault => stallCheck(fault, ours, seed)))],
    data: { readers, runs }
  }
}

function row(runs: readonly Run[]): Cell[] {
  const { fault, arm } = runs[0]!
  const sum = (of: (figures: ReadingFigures) => number): number =>
    runs.reduce((total, { since }) => total + of(since), 0)
  const stalls = runs.map(({ since }) => since.longestStallMs)
  const recoveries = runs.flatMap(({ recoveryMs }) => recoveryMs ?? [])
  const isBack = recoveries.length === runs.length
  const middle = (values: readonly number[]): string => `${figures(spread(values).median)} ms`
  return [
    fault,
    arm,
    runs.length,
    sum(({ reads }) => reads),
    sum(({ failed }) => failed),
    middle(stalls),
    `${figures(Math.max(...stalls))} ms`,
    middle(runs.map(({ since }) => since.p99Ms)),
    middle(runs.map(({ before }) => before.p99Ms)),
    isBack ? middle(recoveries) : `never in ${runs.length - recoveries.length}`,
    isBack ? `${figures(Math.max(...recoveries))} ms` : undefined
  ]
}

function countChecks(ours: readonly Run[]): Check[] {
  const failed = ours.reduce((sum, { since, before }) => sum + since.failed + before.failed, 0)
  const reads = ours.reduce((sum, { since, before }) => sum + since.reads + before.reads, 0)
  const back = ours.filter(({ recoveryMs }) => recoveryMs !== undefined).length
  return [
    {
      name: 'ours: every read is answered',
      passed: failed === 0,
      detail: `${failed} of ${figures(reads)} failed`
    },
    {
      name: 'ours: the primary node is asked again',
      passed: back === ours.length,
      detail: `in ${back} of ${ours.length} runs`
    }
  ]
}

function stallCheck(fault: Fault, ours: readonly Run[], seed: number): Check {
  const stalls = ours.filter(run => run.fault === fault).map(({ since }) => since.longestStallMs)
  const { median, low, high } = medianInterval(stalls, seed)
  return {
    name: `ours, ${fault}: nobody waits long`,
    passed: low <= MAX_STALL_MS,
    detail: `${figures(median)} ms (${figures(low)} to ${figures(high)}), at most ${MAX_STALL_MS}`
  }
}
