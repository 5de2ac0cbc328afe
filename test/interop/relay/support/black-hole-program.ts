import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { inOwnNamespace, linkAddresses, makeLink } from '../../../../benchmarks/rig/network.ts'
import { ChildProgram } from '../../../../src/cli/swarm/child-program.ts'
import { SecureChannelPool } from '../../../../src/relay/index.ts'
import { Authority } from '../../../relay/support/certificates.ts'
import type { FarRelayCommands } from './far-relay-program.ts'

// A program for a network namespace of its own: channels to a relay beyond a link that begins to swallow all packets. It
// prints what became of them.

/** How packets get lost: the relay's answers on their way, or both at the relay's end of the link. */
export type Hole = 'answers' | 'link'

/** What channels came to, in ms from when packets began to vanish. */
export interface Swallowed {
  /** Channels that stood before. */
  readonly before: number
  /** Until the pool had no idle ones any more. */
  readonly idleMs: number
  /** Until a channel that waited for an answer was told, and what. */
  readonly waitingMs: number
  readonly waitingError: string
  /** The same, of a channel that something was sent on after that, with a limit of {@link WRITE_LIMIT_MS}. */
  readonly writtenMs: number
  readonly writtenError: string
  readonly isHealthy: boolean
  /** Until the pool had as many as before again, in ms from when packets came through again. */
  readonly backMs: number
}

const WRITE_LIMIT_MS = 2_000

/** Nothing is given up for being slow. */
const LONG_MS = 60_000

/** Channels of the pool: two are used, and the others are idle. */
const KEPT = 4

const { ours, theirs } = linkAddresses(0)

/** Commands at the far end. */
const holes: Readonly<Record<Hole, readonly [open: string, close: string]>> = {
  answers: [`ip route add blackhole ${ours}/32`, `ip route delete blackhole ${ours}/32`],
  link: ['ip link set eth0 down', 'ip link set eth0 up']
}

async function timed<Value>(promise: Promise<Value>): Promise<readonly [Value | Error, number]> {
  const startedAtMs = performance.now()
  const value = await promise.catch((error: Error) => error)
  return [value, performance.now() - startedAtMs]
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(5)
}

async function swallow(hole: Hole): Promise<Swallowed> {
  const authority = await Authority.create()
  const [execPath, ...execArgv] = inOwnNamespace([process.execPath])
  await using relay = new ChildProgram<FarRelayCommands>({
    name: 'The relay',
    program: new URL('./far-relay-program.ts', import.meta.url),
    execPath: execPath!,
    execArgv
  })
  await makeLink(0, relay.pid!, 'pfifo limit 1000')
  const port = await relay.call('start', theirs, await authority.issue({ addresses: [theirs] }))
  const atFarEnd = async (command: string): Promise<void> => {
    const args = `--net --target ${relay.pid} -- ${command}`.split(' ')
    await promisify(execFile)('nsenter', args)
  }

  const pool = new SecureChannelPool(`${theirs}:${port}`, {
    minIdle: KEPT,
    operationTimeoutMs: LONG_MS,
    tls: { roots: [authority.certificate], connectTimeoutMs: 1_000 }
  })
  await pool.start()
  const [waiting, written] = [await pool.getConnection(), await pool.getConnection()]
  await waiting.writeAll(Uint8Array.of(1))
  // What was sent has to have arrived: there are other limits for what has not.
  await sleep(500)
  const before = pool.getStatus().activeConnections

  const [open, close] = holes[hole]
  await atFarEnd(open)
  const [[error, waitingMs], [writtenError, writtenMs], [, idleMs]] = await Promise.all([
    timed(waiting.readExact(1)),
    timed(written.writeAll(Uint8Array.of(1)).then(() => written.readExact(1, { timeoutMs: WRITE_LIMIT_MS }))),
    timed(until(() => pool.getStatus().idleConnections === 0))
  ])
  const { isHealthy } = pool.getStatus()
  await atFarEnd(close)
  const [, backMs] = await timed(until(() => pool.getStatus().idleConnections === KEPT))
  pool.close()
  return {
    before,
    idleMs,
    waitingMs,
    waitingError: String(error),
    writtenMs,
    writtenError: String(writtenError),
    isHealthy,
    backMs
  }
}

console.log(JSON.stringify(await swallow(process.argv[2] as Hole)))
