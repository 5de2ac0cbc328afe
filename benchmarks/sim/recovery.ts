import type { ProtectionEventType, ProtectionOptions } from 'bitswap-protection/core'
import { defaultProtectionOptions, presets } from 'bitswap-protection/core'
import type { Settings } from '../harness.ts'
import type { Cell, Check, Report } from '../report.ts'
import { percent, quantile, seconds } from './figures.ts'
import type { Group } from './group.ts'
import type { Population } from './population.ts'
import { Simulation, type Watcher } from './simulation.ts'
import { faultWays, type Swarm, steadySwarm } from './swarm.ts'

const MINUTE_MS = 60_000
/** Faults begin within this time, so that few peers are bad at once, */
const FAULTS_MS = 60 * MINUTE_MS
/** and all have this long to recover. */
const WATCH_MS = 60 * MINUTE_MS
const SHORTEST_FAULT_MS = 1_000
const LONGEST_FAULT_MS = 10 * MINUTE_MS
/** How long the faults of a row last, at least and at most. */
const BINS_MS = [SHORTEST_FAULT_MS, 10_000, MINUTE_MS, 3 * MINUTE_MS, LONGEST_FAULT_MS]

/** Share of the peers that must come back by themselves. */
const LEAST_RECOVERED = 0.99
/** What the design documents ask for. */
const GOAL_MS = 30_000
/** A peer may be called again after as long as its fault lasted, and this. */
const LEEWAY_MS = 10_000
/** Share of which that must be so: of the others a probe failed by chance, so they wait once more. */
const LEAST_IN_TIME = 0.97

/** Chance of a call to fail for nothing up to which probes hardly ever do. */
const LITTLE_NOISE = 0.01

interface Variant {
  readonly name: string
  readonly breaker: ProtectionOptions['breaker']
  readonly noiseShare: number
  /** Whether these options are to reach the goal of the design documents. */
  readonly reachesGoal: boolean
}

const variants: readonly Variant[] = [
  { name: 'defaults', breaker: {}, noiseShare: 0.01, reachesGoal: false },
  { name: 'defaults, 5 % of calls fail by chance', breaker: {}, noiseShare: 0.05, reachesGoal: false },
  {
    name: 'timeoutMs 10 s, maxTimeoutMs 20 s',
    breaker: { timeoutMs: 10_000, maxTimeoutMs: 20_000 },
    noiseShare: 0.01,
    reachesGoal: true
  }
]

/** How long after its fault was cured a peer came back; Infinity for never. */
export interface Comeback {
  readonly faultMs: number
  readonly hasOpened: boolean
  readonly answerMs: number
  readonly closedMs: number
  readonly fullMs: number
}

/** Follows each peer until it is as it was before its fault. */
class RecoveryWatcher implements Watcher {
  readonly #population: Population
  readonly #hasOpened = new Set<number>()
  /** First answer to a call that began after the cure. */
  readonly #answeredMs = new Map<number, number>()
  /** When the circuit closed, and when it got all calls again, for the last time; Infinity while it does not. */
  readonly #closedMs = new Map<number, number>()
  readonly #fullMs = new Map<number, number>()

  constructor(population: Population) {
    this.#population = population
  }

  answered(peer: number, startedMs: number, nowMs: number): void {
    if (startedMs >= this.#population.curedMs(peer) && !this.#answeredMs.has(peer))
      this.#answeredMs.set(peer, nowMs)
  }

  changed(type: ProtectionEventType, peer: number, nowMs: number): void {
    if (type === 'circuit:open') {
      this.#hasOpened.add(peer)
      this.#closedMs.set(peer, Infinity)
      this.#fullMs.set(peer, Infinity)
    }
    if (type === 'circuit:close') this.#closedMs.set(peer, nowMs)
    if (type === 'recovery:complete') this.#fullMs.set(peer, nowMs)
  }

  comeback(peer: number): Comeback {
    const curedMs = this.#population.curedMs(peer)
    const after = (atMs: number): number => Math.max(0, atMs - curedMs)
    return {
      faultMs: this.#population.faultMs(peer),
      hasOpened: this.#hasOpened.has(peer),
      answerMs: after(this.#answeredMs.get(peer) ?? Infinity),
      closedMs: after(this.#closedMs.get(peer) ?? curedMs),
      fullMs: after(this.#fullMs.get(peer) ?? curedMs)
    }
  }
}

/** Lets each peer be bad for a while, and watches it come back. */
export function runRecovery(
  { peers, noiseShare }: { peers: number; noiseShare: number },
  seed: number,
  protection: Partial<ProtectionOptions> = {}
): Comeback[] {
  const swarm: Swarm = {
    ...steadySwarm,
    peers,
    noiseShare,
    active: peers,
    residents: peers,
    durationMs: FAULTS_MS + LONGEST_FAULT_MS + WATCH_MS,
    fault(_peer, random) {
      const fromMs = random() * FAULTS_MS
      const lastsMs = SHORTEST_FAULT_MS * (LONGEST_FAULT_MS / SHORTEST_FAULT_MS) ** random()
      const way = faultWays[Math.floor(random() * faultWays.length)]!
      return { way, fromMs, untilMs: fromMs + lastsMs }
    }
  }
  const simulation = new Simulation(swarm, seed, { protection })
  const watcher = new RecoveryWatcher(simulation.population)
  simulation.watcher = watcher
  simulation.run()
  return Array.from({ length: peers }, (_, peer) => watcher.comeback(peer))
}

interface Row {
  readonly variant: Variant
  readonly fromMs: number
  readonly toMs: number
  readonly comebacks: readonly Comeback[]
}

async function report({ isQuick, seed }: Settings): Promise<Report> {
  const rows = variants.flatMap(variant => {
    const comebacks = runRecovery({ peers: isQuick ? 300 : 2_500, noiseShare: variant.noiseShare }, seed, {
      breaker: variant.breaker
    })
    return BINS_MS.slice(1).map((toMs, bin) => {
      const fromMs = BINS_MS[bin]!
      const isIn = ({ faultMs }: Comeback): boolean => faultMs >= fromMs && faultMs < toMs
      return { variant, fromMs, toMs, comebacks: comebacks.filter(isIn) }
    })
  })
  return {
    name: 'recovery',
    title: 'from the cure of a fault: to the first answer, to CLOSED, to all calls; one call per s and peer',
    columns: [
      '',
      'fault lasts',
      'peers',
      'opened',
      'came back',
      'answer < 30 s',
      'p50',
      'p95',
      'p99',
      'max',
      'CLOSED p50',
      'p99',
      'all calls p50',
      'p99'
    ],
    rows: rows.map(cells),
    notes: [
      'Came back: CLOSED, and all calls are let through, within an hour and without help.',
      'A circuit that opened is OPEN for timeoutMs, and twice as long after each probe that fails, up to maxTimeoutMs:',
      'so after a fault it takes up to as long again, and timeoutMs, until anybody notices the cure.'
    ],
    checks: variants.flatMap(variant => checks(variant, rows)),
    data: rows.map(summarize)
  }
}

function summarize({ variant, fromMs, toMs, comebacks }: Row) {
  return {
    variant: variant.name,
    fromMs,
    toMs,
    peers: comebacks.length,
    opened: shareOf(comebacks, ({ hasOpened }) => hasOpened),
    recovered: shareOf(comebacks, hasRecovered),
    soon: shareOf(comebacks, isSoon),
    answer: quantiles(comebacks.map(({ answerMs }) => answerMs)),
    closed: quantiles(comebacks.map(({ closedMs }) => closedMs)),
    full: quantiles(comebacks.map(({ fullMs }) => fullMs))
  }
}

function quantiles(timesMs: readonly number[]): { p50: number; p95: number; p99: number; max: number } {
  const rising = timesMs.toSorted((a, b) => a - b)
  return {
    p50: quantile(rising, 0.5),
    p95: quantile(rising, 0.95),
    p99: quantile(rising, 0.99),
    max: quantile(rising, 1)
  }
}

function cells(row: Row): Cell[] {
  const { variant, fromMs, toMs, peers, opened, recovered, soon, answer, closed, full } = summarize(row)
  return [
    variant,
    `${fromMs / 1000} to ${toMs / 1000} s`,
    peers,
    percent(opened, 0),
    percent(recovered),
    percent(soon),
    seconds(answer.p50),
    seconds(answer.p95),
    seconds(answer.p99),
    seconds(answer.max),
    seconds(closed.p50),
    seconds(closed.p99),
    seconds(full.p50),
    seconds(full.p99)
  ]
}

function shareOf(comebacks: readonly Comeback[], has: (comeback: Comeback) => boolean): number {
  return comebacks.filter(has).length / comebacks.length
}

function hasRecovered({ fullMs, answerMs }: Comeback): boolean {
  return Math.max(fullMs, answerMs) <= WATCH_MS
}

function isSoon({ answerMs }: Comeback): boolean {
  return answerMs < GOAL_MS
}

/** Whether a peer was called again as soon as the doubling of the OPEN time lets it be. */
function isInTime({ faultMs, answerMs }: Comeback): boolean {
  const { timeoutMs, timeoutJitter } = presets[defaultProtectionOptions.preset]
  return answerMs <= (1 + timeoutJitter!) * (faultMs + timeoutMs!) + LEEWAY_MS
}

function checks(variant: Variant, rows: readonly Row[]): Check[] {
  const { name, noiseShare, reachesGoal } = variant
  const comebacks = rows.flatMap(row => (row.variant === variant ? row.comebacks : []))
  const all = [check('peers come back by themselves', comebacks, hasRecovered, LEAST_RECOVERED)]
  // With more noise, probes fail by chance more often than this check allows for.
  if (noiseShare <= LITTLE_NOISE)
    all.push(
      check('after no longer than their fault lasted, and timeoutMs', comebacks, isInTime, LEAST_IN_TIME)
    )
  if (reachesGoal) all.push(check('answers within 30 s', comebacks, isSoon, LEAST_RECOVERED))
  return all.map(one => ({ ...one, name: `${name}: ${one.name}` }))
}

/** Fails only for what cannot be chance: three times the standard error. */
function check(
  name: string,
  comebacks: readonly Comeback[],
  isRight: (comeback: Comeback) => boolean,
  least: number
): Check {
  const share = shareOf(comebacks, isRight)
  const error = Math.sqrt((least * (1 - least)) / comebacks.length)
  return {
    name,
    passed: share + 3 * error >= least,
    detail: `${percent(share)}, at least ${percent(least, 0)}`
  }
}

export const recovery: Group = { name: 'recovery', report }
