import type { Deadline } from '../core/deadlines.ts'

/** Wants that are waited for at once with one peer. More than any Bitswap sends; beyond it wants are not followed. */
const MAX_OUTSTANDING = 1024

/** Hashes of wants that are remembered of one connected peer. */
const MAX_REMEMBERED = 4096

/** What a want went out on. */
export interface SentOn {
  /** A number, so that no stream is kept alive by what went out on it. */
  readonly stream: number
  readonly connection: object | undefined
  /** Whether it would have been rejected, and was let through only because the mode is `observe`. */
  readonly wasRefused: boolean
}

/** A block asked for, and not answered yet. Times are in ms awake. */
export interface Want {
  readonly askedAtMs: number
  /** When it is looked at, if it is still waited for then. */
  dueAtMs: number
  /** Whether silence can be held against the peer. */
  readonly mustAnswer: boolean
  readonly sentOn: SentOn
  /** The call it is in the core's table. */
  readonly slot: number
  readonly token: number
}

/** What was asked of one peer for as long as it is connected: Bitswap's ledgers last as long. */
export class WantLedger {
  readonly #outstanding = new Map<string, Want>()
  /** What was taken away on a guess: see {@link takeOldest}. */
  readonly #guessed = new Set<string>()
  /** Of what was asked at any time. Two hashes that fall together only mean that one silence is forgiven. */
  readonly #asked = new Set<number>()
  #deadline: Deadline | undefined

  get size(): number {
    return this.#outstanding.size
  }

  get isFull(): boolean {
    return this.#outstanding.size >= MAX_OUTSTANDING
  }

  /**
   * The one deadline of all that is waited for: no want is due before it. It is cancelled with the last want, and
   * may come too early when the want it was set for was answered.
   */
  get deadline(): Deadline | undefined {
    return this.#deadline
  }

  set deadline(deadline: Deadline | undefined) {
    this.#deadline?.cancel()
    this.#deadline = deadline
  }

  entries(): Iterable<[multihash: string, want: Want]> {
    return this.#outstanding
  }

  /** Whether the answer to this want is still waited for. */
  has(multihash: string): boolean {
    return this.#outstanding.has(multihash)
  }

  /**
   * Notes that a block is asked for.
   *
   * @returns whether it was the first time: peers may leave a repeated want unanswered (Helia does)
   */
  remember(multihash: string): boolean {
    const hash = hashOf(multihash)
    if (this.#asked.has(hash)) return false
    if (this.#asked.size >= MAX_REMEMBERED) this.#asked.delete(this.#asked.values().next().value!)
    this.#asked.add(hash)
    return true
  }

  /** Whether it was ever asked for. */
  wasAsked(multihash: string): boolean {
    return this.#asked.has(hashOf(multihash))
  }

  add(multihash: string, want: Want): void {
    this.#guessed.delete(multihash)
    this.#outstanding.set(multihash, want)
  }

  /** Takes away the want for a block; `undefined` if none is waited for. */
  take(multihash: string): Want | undefined {
    const want = this.#outstanding.get(multihash)
    if (want === undefined) return undefined
    this.#outstanding.delete(multihash)
    if (this.#outstanding.size === 0) this.deadline = undefined
    return want
  }

  /**
   * Takes away the want that an answer to `multihash` is for. Where that was taken away before on a guess, the block it
   * was taken for answered another one: then, on a new guess, the oldest.
   */
  takeAnswered(multihash: string): Want | undefined {
    return this.take(multihash) ?? (this.#guessed.delete(multihash) ? this.takeOldest() : undefined)
  }

  /** Takes away the want waited for longest, for an answer of which it is not known what it answers. */
  takeOldest(): Want | undefined {
    const oldest = this.#outstanding.keys().next().value
    if (oldest === undefined) return undefined
    if (this.#guessed.size >= MAX_OUTSTANDING) this.#guessed.delete(this.#guessed.values().next().value!)
    this.#guessed.add(oldest)
    return this.take(oldest)
  }

  /** Takes away all wants, or those that went out on something. */
  takeAll(isMeant: (sentOn: SentOn) => boolean = () => true): Want[] {
    const taken: Want[] = []
    for (const [multihash, { sentOn }] of this.#outstanding) {
      if (isMeant(sentOn)) taken.push(this.take(multihash)!)
    }
    return taken
  }

  /** Forgets what was asked: the peer has, too. */
  forget(): void {
    this.#guessed.clear()
    this.#asked.clear()
  }
}

/** FNV-1a, 32 bits (draft-eastlake-fnv): a number takes a tenth of the memory of the text. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash
}
