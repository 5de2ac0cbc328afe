import { setTimeout as sleep } from 'node:timers/promises'
import type { ChildProgram } from '../../../../../src/cli/swarm/child-program.ts'
import { type Fault, nodeFaults, relayFaults } from './fault.ts'
import type { ClientCommands, Identities, Site } from './soak-commands.ts'
import { SoakServer } from './soak-server.ts'

/** In how many of ten episodes two nodes are stricken, and not one. */
const WITH_TWO = 3

/** How long faults last, in ms: from less than is noticed to a few checks. */
const SHORTEST_MS = 10
const LONGEST_MS = 400

/** How soon all has to be as before, in ms. */
const RECOVERY_LIMIT_MS = 5_000

/** What became of one fault. */
export interface FaultOutcome {
  readonly of: 'node' | 'relay'
  readonly fault: Fault
  readonly hasRecovered: boolean
  /** From when nothing was wrong any more, in ms. */
  readonly tookMs: number
}

/** Three nodes and a relay, each in a process of its own, and what happens to them. */
export class SoakSite implements AsyncDisposable {
  readonly #nodes: readonly SoakServer[]
  readonly #relay: SoakServer

  static async start(identities: Identities): Promise<SoakSite> {
    const [relay, ...nodes] = await Promise.all([
      SoakServer.start('echo', identities),
      ...Array.from({ length: 3 }, () => SoakServer.start('rpc', identities))
    ])
    return new SoakSite(nodes, relay)
  }

  private constructor(nodes: readonly SoakServer[], relay: SoakServer) {
    this.#nodes = nodes
    this.#relay = relay
  }

  get addresses(): Site {
    return { nodes: this.#nodes.map(({ endpoint }) => endpoint), relay: this.#relay.endpoint }
  }

  /** One or two nodes and the relay are stricken for a while, then it is waited until all is as before. */
  async episode(
    site: number,
    client: ChildProgram<ClientCommands>,
    random: () => number
  ): Promise<FaultOutcome[]> {
    const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)]!
    const well = pick(this.#nodes)
    const others = this.#nodes.filter(node => node !== well)
    const stricken = random() * 10 < WITH_TWO ? others : [pick(others)]
    const faults = stricken.map(node => ({ node, fault: pick(nodeFaults) }))
    const relayFault = pick(relayFaults)
    await Promise.all([this.#relay.fail(relayFault), ...faults.map(({ node, fault }) => node.fail(fault))])
    await sleep(SHORTEST_MS + random() * (LONGEST_MS - SHORTEST_MS))
    await Promise.all([this.#relay, ...stricken].map(server => server.heal()))
    const recovered = await client.call('recovered', site, RECOVERY_LIMIT_MS)
    return [
      { of: 'relay', fault: relayFault, hasRecovered: recovered.relay, tookMs: recovered.relayMs },
      ...faults.map(({ node, fault }) => ({
        of: 'node' as const,
        fault,
        hasRecovered: recovered.nodes.includes(node.endpoint),
        tookMs: recovered.nodesMs
      }))
    ]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#relay, ...this.#nodes].map(server => server[Symbol.asyncDispose]()))
  }
}
