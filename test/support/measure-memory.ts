/**
 * Measures what the core costs in memory, in a process of its own: `node --expose-gc … measure-memory.ts <what>`.
 * Prints the figures as JSON.
 */
import { randomBytes } from 'node:crypto'
import {
  type Clock,
  FAILURE,
  IGNORED,
  ManualClock,
  Protection,
  type ProtectionOptions,
  SUCCESS
} from '../../src/core/index.ts'

/** Bytes in use, of the heap and of buffers; after that nobody is waiting to be collected. */
async function bytesInUse(): Promise<number> {
  for (let round = 0; round < 4; round++) {
    globalThis.gc?.()
    // Buffers are freed a turn later.
    await new Promise(resolve => setImmediate(resolve))
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/**
 * Bytes per operation that `run` allocates, over so many operations; nothing is collected meanwhile. The least of
 * several rounds: in the first ones it is not compiled yet.
 */
function allocatedPerOperation(operations: number, run: (operations: number) => void): number {
  let least = Infinity
  for (let round = 0; round < 8 && least > 0.5; round++) {
    globalThis.gc?.()
    const before = process.memoryUsage()
    run(operations)
    const after = process.memoryUsage()
    const allocated = after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers
    least = Math.min(least, allocated / operations)
  }
  return least
}

/**
 * Moments from `startMs` on, in fractions of a ms, one for each 2048th time they are asked for. Boxed already, as
 * those of a clock are, so that boxing them is not measured.
 */
function moments(startMs: number): () => number {
  const boxed: unknown[] = ['no number, so that the numbers are kept as objects']
  for (let index = 1; index <= 8192; index++) boxed.push(startMs + index + 0.25)
  let asked = 0
  return () => boxed[1 + ((asked++ >> 11) & 8191)] as number
}

function measureAllocation(): unknown {
  const SLOTS = 512
  const OPERATIONS = 1_000_000
  const protection = new Protection({}, { clock: new ManualClock(), random: () => 0 })
  const { table } = protection
  const slots = Array.from({ length: SLOTS }, (_, peer) => protection.slot(`peer ${peer}`, 0))

  /** Lets a target fail until its circuit opens. */
  const trip = (slot: number, nowMs: number): void => {
    for (let failure = 0; failure < 5; failure++) {
      table.settle(slot, table.admit(slot, nowMs), FAILURE, nowMs)
    }
  }

  const early = moments(0)
  const settled = allocatedPerOperation(OPERATIONS, operations => {
    for (let operation = 0; operation < operations; operation++) {
      const slot = slots[operation % SLOTS]!
      const nowMs = early()
      const token = table.admit(slot, nowMs)
      const outcome = operation % 100 < 97 ? SUCCESS : operation % 3 === 0 ? IGNORED : FAILURE
      table.settle(slot, token, outcome, nowMs)
    }
  })

  const bad = protection.slot('bad', 10_000)
  trip(bad, 10_000)
  const later = moments(10_000)
  let admitted = 0
  const rejected = allocatedPerOperation(OPERATIONS, operations => {
    for (let operation = 0; operation < operations; operation++) {
      if (table.admit(bad, later()) >= 0) admitted++
    }
  })

  // Some calls are let through, most are not.
  const convalescent = protection.slot('recovering', 20_000)
  trip(convalescent, 20_000)
  for (let probe = 0; probe < 3; probe++) {
    table.settle(convalescent, table.admit(convalescent, 90_000), SUCCESS, 90_000)
  }
  const latest = moments(90_000)
  let shed = 0
  const recovering = allocatedPerOperation(OPERATIONS, operations => {
    for (let operation = 0; operation < operations; operation++) {
      const nowMs = latest()
      const token = table.admit(convalescent, nowMs)
      if (token >= 0) table.settle(convalescent, token, SUCCESS, nowMs)
      else shed++
    }
  })
  return { settled, rejected, recovering, admitted, shed }
}

/** Peer ids look like this: 52 characters, each string in one piece. */
function makeIds(count: number): string[] {
  const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
  const bytes = randomBytes(count * 52)
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = alphabet.charCodeAt(bytes[index]! % alphabet.length)
  }
  return Array.from({ length: count }, (_, id) => {
    bytes.write('12D3KooW', id * 52, 'latin1')
    return bytes.toString('latin1', id * 52, (id + 1) * 52)
  })
}

/** A clock that counts the timers that wait, and those there were at most. */
function countingClock() {
  const clock = new ManualClock()
  const count = { pending: 0, most: 0 }
  const counting: Clock = {
    now: () => clock.now(),
    wallTime: () => clock.wallTime(),
    schedule(callback, delayMs) {
      let isPending = true
      const end = (): void => {
        if (isPending) count.pending--
        isPending = false
      }
      count.most = Math.max(count.most, ++count.pending)
      const cancel = clock.schedule(() => {
        end()
        callback()
      }, delayMs)
      return () => {
        end()
        cancel()
      }
    }
  }
  return { clock, counting, count }
}

async function measurePeers(): Promise<unknown> {
  const PEERS = 100_000
  const { clock, counting, count } = countingClock()
  const warmUp = new Protection({ maxTargets: PEERS }, { clock: counting })
  warmUp.admit('a').settle('success')
  warmUp.close()
  const before = await bytesInUse()
  const protection = new Protection({ maxTargets: PEERS }, { clock: counting })
  const addAll = (): void => {
    for (const [index, id] of makeIds(PEERS).entries()) {
      const permit = protection.admit(id)
      if (index % 100 === 0) clock.advance(1)
      permit.settle(index % 10 === 0 ? 'failure' : 'success')
    }
  }
  addAll()
  const { pending } = count
  const bytes = await bytesInUse()
  const { totalPeers } = protection.getOverallStatus()
  protection.close()
  return {
    bytesPerPeer: (bytes - before) / PEERS,
    totalPeers,
    pending,
    most: count.most,
    left: count.pending
  }
}

async function measureChurn(identities: number, isBad: boolean): Promise<unknown> {
  const TARGETS = 10_000
  const clock = new ManualClock()
  const options: Partial<ProtectionOptions> = { maxTargets: TARGETS, maxEjectedShare: 0.5 }
  const protection = new Protection(options, { clock, random: () => 0 })
  const { table } = protection
  const call = (key: string, outcome: number, times: number): void => {
    const nowMs = clock.now()
    const slot = protection.slot(key, nowMs)
    for (let made = 0; made < times; made++) {
      const token = table.admit(slot, nowMs)
      if (token >= 0) table.settle(slot, token, outcome, nowMs)
    }
  }
  call('known bad', FAILURE, 5)

  let churned = 0
  const churn = (until: number): void => {
    for (; churned < until; churned++) {
      // All of it while the bad one is OPEN.
      if (churned % 20_000 === 0) clock.advance(1)
      call(`12D3KooW${churned}`, isBad ? FAILURE : SUCCESS, isBad ? 5 : 1)
    }
  }
  churn(identities / 5)
  const early = await bytesInUse()
  churn(identities)
  const late = await bytesInUse()
  const status = protection.getPeerStatus('known bad')
  const { totalPeers, ejectedPeers } = protection.getOverallStatus()
  return {
    growth: late - early,
    totalPeers,
    ejectedPeers,
    isStillKnown: status !== undefined,
    isStillBad: status?.circuitState === 'OPEN' && !protection.canAdmit('known bad')
  }
}

/** Bytes that calls leave behind, of those that have ended: by the different ways a call can end. */
async function measureCalls(): Promise<unknown> {
  const CALLS = 20_000
  const clock = new ManualClock()
  const protection = new Protection({ breaker: { readyToTrip: () => false } }, { clock, random: () => 0 })
  const { signal } = new AbortController()
  const makeCalls = async (): Promise<void> => {
    for (let call = 0; call < CALLS; call++) {
      const abort = new AbortController()
      const calls = [
        protection.executeRequest('a', () => 1, { signal, timeoutMs: 1000 }),
        protection.executeRequest('a', context => context.signal.aborted),
        protection.executeRequest('a', () => Promise.reject(new Error('refused')), { signal }),
        protection.executeRequest('a', () => new Promise(() => {}), { signal, timeoutMs: 1 }),
        protection.executeRequest('a', () => new Promise(() => {}), { signal: abort.signal })
      ]
      clock.advance(1)
      abort.abort()
      await Promise.allSettled(calls)
    }
  }
  await makeCalls()
  const before = await bytesInUse()
  await makeCalls()
  const after = await bytesInUse()
  return { leftPerCall: (after - before) / (5 * CALLS), inFlight: protection.getOverallStatus().inFlight }
}

const measures: Readonly<Record<string, () => unknown>> = {
  allocation: measureAllocation,
  peers: measurePeers,
  calls: measureCalls,
  'clean churn': () => measureChurn(1_000_000, false),
  'bad churn': () => measureChurn(100_000, true)
}

console.log(JSON.stringify(await measures[process.argv[2]!]!()))
