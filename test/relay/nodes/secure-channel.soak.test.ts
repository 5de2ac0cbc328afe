import { expect, test } from 'vitest'
import { OutcomeUnknownError } from '../../../src/relay/nodes/secure-channel-error.ts'
import { CredentialsError } from '../../../src/relay/protocols/rpc.ts'
import { create, dead, randomFrom } from './support/channel.ts'
import type { Conduct, FakeNode } from './support/fake-node.ts'

const HOSTS = ['a', 'b', 'c'] as const
const FAULTS = 500

/** Ways in which a node can be of no use. */
function faults(node: FakeNode): Conduct[] {
  return [
    'is silent',
    dead(node.endpoint),
    { fails: () => new Error('it broke off') },
    node.warmingUp,
    { fails: () => new CredentialsError(node.endpoint) }
  ]
}

/** In virtual time: one or two of three nodes are bad in one way or another, again and again. */
test.each([1, 2, 3, 4])(
  'whatever nodes do, reads are answered as long as one is well: seed %i',
  { timeout: 60_000 },
  async seed => {
    const { channel, clock, node, passes, ends } = create()
    const random = randomFrom(seed * 7_919)
    const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)]!
    await ends(channel.start())

    const tookMs: number[] = []
    const failures: unknown[] = []
    const unknown: unknown[] = []
    let recovered = 0
    const read = async (): Promise<void> => {
      const startedAtMs = clock.now()
      try {
        await channel.execute({ method: 'getinfo' })
        tookMs.push(clock.now() - startedAtMs)
      } catch (error) {
        failures.push(error)
      }
    }
    const write = (): void => {
      channel.execute({ method: 'submitblock' }, { timeoutMs: 2_000 }).catch(error => unknown.push(error))
    }

    for (let fault = 0; fault < FAULTS; fault++) {
      const well = pick(HOSTS)
      const bad = HOSTS.filter(host => host !== well).slice(random() < 0.7 ? 1 : 0)
      for (const host of bad) node(host).conduct = pick(faults(node(host)))
      const reads: Array<Promise<void>> = []
      for (let turn = Math.ceil(random() * 60); turn > 0; turn--) {
        reads.push(read())
        if (turn % 10 === 0) write()
        await passes(50, 10)
      }
      for (const host of bad) node(host).conduct = 'answers'
      // The longest wait between two checks, and three of them.
      await passes(6_000, 50)
      await ends(Promise.all(reads))
      if (channel.getStatus().nodes.every(({ state }) => state === 'up')) recovered++
    }

    expect(failures).toEqual([])
    expect(Math.max(...tookMs)).toBeLessThanOrEqual(1_000)
    // What changes something was never made twice by itself, so that of some nobody knows.
    expect(unknown.filter(error => !(error instanceof OutcomeUnknownError))).toEqual([])
    expect(recovered).toBe(FAULTS)
    expect(channel.getStatus()).toMatchObject({ inFlight: 0, isFailedOver: false })
    await ends(channel.drain())
    expect(clock.pendingTimers).toBe(0)
  }
)
