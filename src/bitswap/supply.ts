import type { Clock } from '../core/index.ts'
import { DecayingCount } from './decaying-count.ts'
import type { PeerLink, PeerLinks } from './peer-link.ts'
import { subnetOf } from './subnet.ts'

/** A block delivered counts half after this time, in ms, as supply. */
const HALF_LIFE_MS = 60_000

/** With fewer blocks of late than this nobody can tell who supplies how much. */
const MIN_BLOCKS = 20

/** Subnets that are kept at least, if there are as many: whoever runs one of them is not all this node has. */
const MIN_SUBNETS = 2

/** What the supply has to know of peers, by key. */
export interface SupplyContext {
  readonly clock: Clock
  /** Whether a peer is refused for what it did. */
  readonly isEjected: (key: string) => boolean
  /** Peers that are never refused. */
  readonly kept: ReadonlySet<string>
  /** Largest share of the blocks of late whose suppliers may be refused. */
  readonly maxShare: number
}

/**
 * Who delivers the blocks, and from where, so that not more of it is refused than this node can do without.
 *
 * Counted are peers that are connected: of the IPFS gateways' retrievals the five busiest providers served 38 %, the
 * twenty busiest 75 % (ProbeLab, RFM 16), so a share of the peers says little about the share of the blocks.
 */
export class Supply {
  readonly #links: PeerLinks
  readonly #context: SupplyContext
  /** Blocks that came from each peer of late; as long as its link, which is as long as it is connected. */
  readonly #blocks = new WeakMap<PeerLink, DecayingCount>()

  constructor(links: PeerLinks, context: SupplyContext) {
    this.#links = links
    this.#context = context
  }

  /** A peer delivered a block that was wanted. */
  delivered(link: PeerLink): void {
    let blocks = this.#blocks.get(link)
    if (blocks === undefined) {
      blocks = new DecayingCount(HALF_LIFE_MS)
      this.#blocks.set(link, blocks)
    }
    blocks.increment(this.#context.clock.now())
  }

  /** Whether a peer may be refused, besides those that are. */
  mayEject(key: string): boolean {
    const { kept, isEjected } = this.#context
    if (kept.has(key)) return false
    const link = this.#links.find(key)
    if (link === undefined || !isSupplier(link)) return true
    const suppliers = [...this.#links.values()].filter(isSupplier)
    const ejected = suppliers.filter(other => other === link || isEjected(other.key))
    return this.#leavesBlocks(suppliers, ejected) && leavesSubnets(suppliers, ejected)
  }

  #leavesBlocks(suppliers: readonly PeerLink[], ejected: readonly PeerLink[]): boolean {
    const now = this.#context.clock.now()
    const blocksOf = (links: readonly PeerLink[]): number =>
      links.reduce((sum, link) => sum + (this.#blocks.get(link)?.at(now) ?? 0), 0)
    const blocks = blocksOf(suppliers)
    return blocks < MIN_BLOCKS || blocksOf(ejected) <= this.#context.maxShare * blocks
  }
}

function isSupplier({ speaksBitswap, connections }: PeerLink): boolean {
  return speaksBitswap && connections.size > 0
}

/** One peer may always be refused, wherever it is: with two peers, nobody would be otherwise. */
function leavesSubnets(suppliers: readonly PeerLink[], ejected: readonly PeerLink[]): boolean {
  if (ejected.length === 1) return true
  const known = subnetsOf(suppliers)
  const left = subnetsOf(suppliers.filter(link => !ejected.includes(link)))
  return left.size >= Math.min(MIN_SUBNETS, known.size)
}

/** A peer whose address tells nothing of a network is one by itself. */
function subnetsOf(links: readonly PeerLink[]): Set<string> {
  return new Set(
    links.flatMap(({ key, connections }) =>
      [...connections].map(({ remoteAddr }) => subnetOf(remoteAddr) ?? key)
    )
  )
}
