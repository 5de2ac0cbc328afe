import { setImmediate } from 'node:timers/promises'
import { ManualClock } from '../../../../src/core/index.ts'
import { parseEndpoint } from '../../../../src/relay/endpoint.ts'
import { SecureChannel } from '../../../../src/relay/nodes/secure-channel.ts'
import type { SecureChannelOptions } from '../../../../src/relay/nodes/secure-channel-options.ts'
import type { SecureChannelEvent } from '../../../../src/relay/nodes/secure-channel-status.ts'
import { ConnectError } from '../../../../src/relay/tls/connect-error.ts'
import { FakeNode } from './fake-node.ts'

/** How exact deadlines are, in ms. */
const STEP_MS = 5

/** A channel to nodes in virtual time: a and b are primary, c is a backup, unless told otherwise. */
export function create(options: Partial<SecureChannelOptions> = {}) {
  const clock = new ManualClock()
  const nodes = new Map<string, FakeNode>()
  const events: SecureChannelEvent[] = []
  const random = randomFrom(1)
  const channel = new SecureChannel(
    { primaryNodes: ['a:1', 'b:1'], backupNodes: ['c:1'], ...options },
    {
      clock,
      random,
      createClient: ({ address }) => {
        const node = new FakeNode(address.endpoint.key, clock)
        nodes.set(address.endpoint.host, node)
        return node
      }
    }
  )
  channel.onEvent(event => events.push(event))
  /** Lets time go by, and all that comes of it happen. */
  const passes = async (ms: number, stepMs = STEP_MS): Promise<void> => {
    for (let passed = 0; passed < ms; passed += stepMs) {
      clock.advance(Math.min(stepMs, ms - passed))
      await setImmediate()
    }
  }
  /** Lets time go by until something has ended, and tells how much that was. */
  const took = async (promise: Promise<unknown>): Promise<number> => {
    const startedAtMs = clock.now()
    let hasEnded = false
    promise.then(
      () => {
        hasEnded = true
      },
      () => {
        hasEnded = true
      }
    )
    await setImmediate()
    while (!hasEnded) await passes(STEP_MS)
    return clock.now() - startedAtMs
  }
  /** What comes of something, with time going by. */
  const ends = async <Value>(promise: Promise<Value>): Promise<Value> => {
    await took(promise)
    return promise
  }
  const told = (): string[] => events.map(({ type, endpoint }) => `${type} ${endpoint}`)
  const node = (host: string): FakeNode => nodes.get(host)!
  return {
    channel,
    clock,
    node,
    events,
    told,
    passes,
    took,
    ends,
    read: () => channel.execute({ method: 'getinfo' })
  }
}

/** Nobody listens there. */
function nobodyListens(endpoint: string): Error {
  return new ConnectError(parseEndpoint(endpoint), 'REFUSED', 'nobody listens there')
}

/** What all requests to a node come to whose process has ended. */
export function dead(endpoint: string) {
  return { fails: () => nobodyListens(endpoint) }
}

/** The same chances for the same seed (Lehmer's generator, "minimal standard"). */
export function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}
