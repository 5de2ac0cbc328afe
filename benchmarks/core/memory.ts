import type { Protection } from 'bitswap-protection/core'
import { nextTurn, runInChild, type Settings } from '../harness.ts'
import type { Check, Report } from '../report.ts'
import type { Group } from '../timed-group.ts'
import { DENO, denoBreaker, denoNote } from './deno.ts'
import { cockatielConsecutive, cockatielSampling, lean, mollitia, opossum } from './peers.ts'
import { noop, peerId, staysOpen } from './subjects.ts'

/** Makes what is measured for so many targets, each called at least once; returns it, so that it is kept. */
type Scenario = (targets: number) => Promise<unknown>

const NOTHING = 'nothing'
const OPEN = '100 % OPEN'
const RECOVERING = '100 % recovering'
const OURS = 'bitswap-protection'

async function protectionOf(targets: number): Promise<Protection> {
  const { Protection } = await import('bitswap-protection/core')
  const protection = new Protection({ maxTargets: targets, maxEjectedShare: 1, breaker: staysOpen })
  for (let target = 0; target < targets; target++) await protection.executeRequest(peerId(target), noop)
  return protection
}

async function openProtection(targets: number): Promise<Protection> {
  const protection = await protectionOf(targets)
  for (let target = 0; target < targets; target++) failUntilOpen(protection, target)
  return protection
}

function failUntilOpen(protection: Protection, target: number): void {
  const key = peerId(target)
  while (protection.canAdmit(key)) protection.admit(key).settle('failure')
}

async function recoveringProtection(targets: number): Promise<Protection> {
  const { ManualClock, Protection } = await import('bitswap-protection/core')
  const clock = new ManualClock()
  const protection = new Protection({ maxTargets: targets, maxEjectedShare: 1 }, { clock })
  for (let target = 0; target < targets; target++) failUntilOpen(protection, target)
  clock.advance(120_000)
  for (let target = 0; target < targets; target++) {
    const key = peerId(target)
    while (protection.getPeerStatus(key)?.isRecovering !== true) protection.admit(key).settle('success')
  }
  return protection
}

/** One breaker per target, without keys to find it by, which would come on top. */
function breakers<Breaker>(
  make: () => Promise<Breaker>,
  call: (breaker: Breaker) => Promise<unknown>
): Scenario {
  return async targets => {
    const made: Breaker[] = []
    for (let target = 0; target < targets; target++) {
      const breaker = await make()
      await call(breaker)
      made.push(breaker)
    }
    return made
  }
}

async function ourBreaker(): Promise<{ execute(fn: () => Promise<void>): Promise<void> }> {
  const { CircuitBreaker } = await import('bitswap-protection/core')
  return new CircuitBreaker()
}

const scenarios = (denoFile: string | undefined): Readonly<Record<string, Scenario>> => ({
  [NOTHING]: async () => [],
  [OURS]: protectionOf,
  [`${OURS}, ${OPEN}`]: openProtection,
  [`${OURS}, ${RECOVERING}`]: recoveringProtection,
  'CircuitBreaker, one each': breakers(ourBreaker, breaker => breaker.execute(noop)),
  'cockatiel, consecutive': breakers(cockatielConsecutive, breaker => breaker.execute(noop)),
  'cockatiel, sampling': breakers(cockatielSampling, breaker => breaker.execute(noop)),
  ...(denoFile === undefined
    ? {}
    : {
        [DENO]: breakers(
          () => denoBreaker(denoFile),
          breaker => breaker.execute(noop)
        )
      }),
  'mollitia, sliding count': breakers(
    () => mollitia(noop),
    breaker => breaker.execute()
  ),
  'opossum, lean': breakers(
    () => opossum(noop, lean),
    breaker => breaker.fire()
  ),
  opossum: breakers(
    () => opossum(noop, undefined),
    breaker => breaker.fire()
  )
})

interface Input {
  readonly scenario: string
  readonly targets: number
  readonly idleMs: number
  readonly denoFile: string | undefined
}

interface Footprint {
  readonly bytesPerTarget: number
  readonly rssPerTarget: number
  readonly idleCpuShare: number
  readonly maxLagMs: number
}

async function footprint({ scenario, targets, idleMs, denoFile }: Input): Promise<Footprint> {
  const make = scenarios(denoFile)[scenario]!
  // Once before, so that code and what is shared by all is there already.
  await make(10)
  const before = await settledMemory()
  const kept = await make(targets)
  const after = await settledMemory()
  const idle = await watchIdling(idleMs)
  keepAlive(kept)
  return {
    bytesPerTarget: (after.bytes - before.bytes) / targets,
    rssPerTarget: (after.rss - before.rss) / targets,
    ...idle
  }
}

async function settledMemory(): Promise<{ bytes: number; rss: number }> {
  for (let pass = 0; pass < 4; pass++) {
    globalThis.gc?.()
    await nextTurn()
  }
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage()
  return { bytes: heapUsed + arrayBuffers, rss }
}

/** A use of it after the measurement, without which it could be collected before. */
function keepAlive(kept: unknown): void {
  if (kept === undefined) throw new Error('nothing was made')
}

const LAG_PROBE_MS = 10

async function watchIdling(idleMs: number): Promise<{ idleCpuShare: number; maxLagMs: number }> {
  let maxLagMs = 0
  let last = performance.now()
  const probe = setInterval(() => {
    const now = performance.now()
    maxLagMs = Math.max(maxLagMs, now - last - LAG_PROBE_MS)
    last = now
  }, LAG_PROBE_MS)
  const used = process.cpuUsage()
  await new Promise(resolve => setTimeout(resolve, idleMs))
  const { user, system } = process.cpuUsage(used)
  clearInterval(probe)
  return { idleCpuShare: (user + system) / 1000 / idleMs, maxLagMs }
}

interface Timers {
  readonly created: number
  readonly alive: number
}

/** Counts timers, in a process of its own: counting them takes memory and time. */
async function countTimers({ scenario, targets, denoFile }: Input): Promise<Timers> {
  const alive = new Set<unknown>()
  let created = 0
  const { setTimeout, setInterval, clearTimeout } = globalThis
  const clear = (timer: Parameters<typeof clearTimeout>[0]): void => {
    alive.delete(timer)
    clearTimeout(timer)
  }
  const counted = <Timer>(timer: Timer): Timer => {
    created++
    alive.add(timer)
    return timer
  }
  Object.assign(globalThis, {
    setTimeout: (callback: (...args: unknown[]) => void, delayMs: number, ...args: unknown[]) => {
      const timer = setTimeout(() => {
        alive.delete(timer)
        callback(...args)
      }, delayMs)
      return counted(timer)
    },
    setInterval: (...args: Parameters<typeof setInterval>) => counted(setInterval(...args)),
    clearTimeout: clear,
    clearInterval: clear
  })
  const kept = await scenarios(denoFile)[scenario]!(targets)
  await nextTurn()
  keepAlive(kept)
  return { created, alive: alive.size }
}

interface MemoryRow extends Footprint, Timers {
  readonly scenario: string
  readonly targets: number
}

async function measure(input: Input): Promise<MemoryRow> {
  const { scenario, targets } = input
  const measured = await runInChild<Footprint>('memory', 'footprint', input)
  return { scenario, targets, ...measured, ...(await runInChild<Timers>('memory', 'timers', input)) }
}

async function report(settings: Settings): Promise<Report> {
  const { isQuick, denoFile } = settings
  const rows: MemoryRow[] = []
  for (const scenario of Object.keys(scenarios(denoFile))) {
    const input = { scenario, idleMs: isQuick ? 100 : 3000, denoFile }
    const isOurs = scenario.startsWith(OURS)
    if (!isQuick || !isOurs) rows.push(await measure({ ...input, targets: 1000 }))
    if (!isQuick || isOurs) rows.push(await measure({ ...input, targets: 100_000 }))
  }
  return {
    name: 'memory',
    title: 'per target tracked, or instance',
    columns: ['', 'targets', 'B each', 'RSS each', 'timers made', 'alive', 'idle CPU', 'max lag'],
    rows: rows.map(row => [
      row.scenario,
      row.targets,
      row.bytesPerTarget,
      row.rssPerTarget,
      row.created,
      row.alive,
      `${(row.idleCpuShare * 100).toFixed(1)} %`,
      `${row.maxLagMs.toFixed(1)} ms`
    ]),
    notes: [
      `B: heap and array buffers. ${OURS} includes the keys, peer ids of 52 characters, and the map of them; the others do not.`,
      `Every target was called once; timers made includes those of these calls. ${NOTHING}: what measuring itself takes.`,
      denoNote(settings)
    ],
    checks: rows.filter(({ scenario }) => scenario.startsWith(OURS)).flatMap(checks),
    data: rows
  }
}

const MAX_BYTES = 256

function checks({ scenario, targets, bytesPerTarget, alive }: MemoryRow): Check[] {
  const timers: Check = {
    name: `one timer: ${scenario}, ${targets}`,
    passed: alive <= 1,
    detail: `${alive} alive, at most 1`
  }
  // The fixed part counts for nothing with many targets only, and what a trip leaves behind comes on top.
  if (scenario !== OURS || targets < 100_000) return [timers]
  const memory: Check = {
    name: `memory: ${scenario}, ${targets}`,
    passed: bytesPerTarget <= MAX_BYTES,
    detail: `${bytesPerTarget.toFixed(1)} B per target, at most ${MAX_BYTES}`
  }
  return [timers, memory]
}

export const memory: Group = {
  name: 'memory',
  title: 'memory, timers and idling',
  tasks: { footprint, timers: countTimers },
  report
}
