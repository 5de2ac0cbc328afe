import type { Protection } from 'bitswap-protection/core'
import { runInChild, type Settings, type Spread, spread } from '../harness.ts'
import { type Check, duration, figures, type Report } from '../report.ts'
import type { Group } from '../timed-group.ts'
import { peerId } from './subjects.ts'

const MAX_TARGETS = 10_000
const KNOWN_BAD = 100
/** Ids are made in chunks this large, untimed, so that memory holds only what the protection keeps. */
const CHUNK = 10_000
const IDS_PER_MS = 100
/** Failures in a row that open a circuit by default. */
const FAILURES_TO_TRIP = 5
/** Growth per new id that is taken for none. */
const MAX_GROWTH_BYTES = 1

const SUCCESS = 0
const FAILURE = 1

interface Input {
  /** Whether every new id fails until its circuit opens; otherwise each makes one successful call. */
  readonly isBad: boolean
  readonly earlyIds: number
  readonly ids: number
}

interface Churn extends Input {
  readonly nsPerId: Spread
  /** Heap and array buffers after `earlyIds`, and after all. */
  readonly earlyBytes: number
  readonly bytes: number
  /** How many of the targets that were bad before all others came are still known for it. */
  readonly stillKnown: number
  readonly tracked: number
}

async function flood(input: Input): Promise<Churn> {
  const { ManualClock, Protection } = await import('bitswap-protection/core')
  const clock = new ManualClock()
  const protection = new Protection({ maxTargets: MAX_TARGETS }, { clock })
  const known = Array.from({ length: KNOWN_BAD }, (_, index) => peerId(input.ids + index))
  for (const key of known) call(protection, key, 0, FAILURE, FAILURES_TO_TRIP)

  const times = input.isBad ? FAILURES_TO_TRIP : 1
  const outcome = input.isBad ? FAILURE : SUCCESS
  const samples: number[] = []
  let earlyBytes = 0
  for (let first = 0; first < input.ids; first += CHUNK) {
    const keys = Array.from({ length: CHUNK }, (_, index) => peerId(first + index))
    const start = process.hrtime.bigint()
    for (let index = 0; index < CHUNK; index++) {
      if (index % IDS_PER_MS === 0) clock.advance(1)
      call(protection, keys[index]!, clock.now(), outcome, times)
    }
    samples.push(Number(process.hrtime.bigint() - start) / CHUNK)
    if (first + CHUNK === input.earlyIds) earlyBytes = bytesInUse()
  }
  return {
    ...input,
    nsPerId: spread(samples),
    earlyBytes,
    bytes: bytesInUse(),
    stillKnown: known.filter(key => (protection.getPeerStatus(key)?.trips ?? 0) > 0).length,
    tracked: protection.getOverallStatus().totalPeers
  }
}

function call(protection: Protection, key: string, nowMs: number, outcome: number, times: number): void {
  const { table } = protection
  const slot = protection.slot(key, nowMs)
  for (let time = 0; time < times; time++) {
    const token = table.admit(slot, nowMs)
    if (token >= 0) table.settle(slot, token, outcome, nowMs)
  }
}

function bytesInUse(): number {
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

async function report({ isQuick }: Settings): Promise<Report> {
  const [earlyIds, ids] = isQuick ? [100_000, 300_000] : [200_000, 1_000_000]
  const runs: Churn[] = []
  for (const isBad of [false, true])
    runs.push(await runInChild<Churn>('churn', 'flood', { isBad, earlyIds, ids } satisfies Input))
  return {
    name: 'churn',
    title: `distinct ids through ${MAX_TARGETS} records`,
    columns: ['', 'ids', 'per id', 'p25', 'p75', 'MB early', 'MB at last', 'B per id since', 'known bad'],
    rows: runs.map(run => [
      nameOf(run),
      run.ids,
      duration(run.nsPerId.median),
      duration(run.nsPerId.p25),
      duration(run.nsPerId.p75),
      run.earlyBytes / 2 ** 20,
      run.bytes / 2 ** 20,
      growth(run),
      `${run.stillKnown} of ${KNOWN_BAD}`
    ]),
    notes: [`MB: heap and array buffers of the whole process, early: after ${earlyIds} ids.`],
    checks: runs.flatMap(checks),
    data: runs
  }
}

function nameOf({ isBad }: Input): string {
  return isBad ? `each fails ${FAILURES_TO_TRIP} times` : 'each makes one good call'
}

/** Bytes by which memory grew per id that came after the early ones. */
function growth({ bytes, earlyBytes, ids, earlyIds }: Churn): number {
  return (bytes - earlyBytes) / (ids - earlyIds)
}

function checks(run: Churn): Check[] {
  const name = nameOf(run)
  return [
    {
      name: `memory is flat: ${name}`,
      passed: growth(run) <= MAX_GROWTH_BYTES,
      detail: `${figures(growth(run))} B per new id, at most ${MAX_GROWTH_BYTES}`
    },
    {
      name: `records are bounded: ${name}`,
      passed: run.tracked <= MAX_TARGETS,
      detail: `${run.tracked}, at most ${MAX_TARGETS}`
    },
    {
      name: `known-bad targets are not forgotten: ${name}`,
      passed: run.stillKnown === KNOWN_BAD,
      detail: `${run.stillKnown} of ${KNOWN_BAD}`
    }
  ]
}

export const churn: Group = { name: 'churn', title: 'a flood of identities', tasks: { flood }, report }
