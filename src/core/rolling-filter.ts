/** Bits of a generation, of which each key sets so many. */
const BITS = 2 ** 20
const BITS_PER_KEY = 20

/**
 * Keys in a generation. With as many, (1 - exp(-20 · 32,768 / 2^20))^20 = 2 in ten million others are taken for one of
 * them. Bitcoin Core remembers 50,000 discouraged peers in such a filter, at one in a million.
 */
export const GENERATION_KEYS = 32_768

interface Generation {
  readonly bits: Uint32Array
  keys: number
}

type Generations = [latest: Generation, earlier: Generation]

/**
 * Remembers of many keys that they were added, and nothing else: a Bloom filter in two generations. It takes 256 KiB
 * however many there are, says of few others that they were added, too, and forgets a key after `maxAgeMs` to twice
 * that, or when 32,768 to twice as many came after it.
 */
export class RollingFilter {
  readonly #maxAgeMs: number
  readonly #random: () => number
  /** Made when the first key comes: few ever need them. */
  #generations: Generations | undefined
  #seed = 0
  /** When the latest generation began, in ms. */
  #beganAtMs = 0

  /** @param random - what bits a key sets depends on it, so that nobody can choose keys that set those of others */
  constructor(maxAgeMs: number, random: () => number) {
    this.#maxAgeMs = Math.max(1, maxAgeMs)
    this.#random = random
  }

  add(key: string, nowMs: number): void {
    this.#generations ??= this.#create(nowMs)
    const generations = this.#generations
    this.#forgetOld(generations, nowMs)
    if (generations[0].keys === GENERATION_KEYS) {
      roll(generations)
      this.#beganAtMs = nowMs
    }
    const [latest] = generations
    latest.keys++
    for (const bit of this.#bitsOf(key)) latest.bits[bit >>> 5]! |= 1 << (bit & 31)
  }

  has(key: string, nowMs: number): boolean {
    if (this.#generations === undefined) return false
    this.#forgetOld(this.#generations, nowMs)
    const bits = this.#bitsOf(key)
    return this.#generations.some(generation => bits.every(bit => isSet(generation, bit)))
  }

  #create(nowMs: number): Generations {
    this.#seed = Math.floor(this.#random() * 2 ** 32)
    this.#beganAtMs = nowMs
    return [emptyGeneration(), emptyGeneration()]
  }

  #forgetOld(generations: Generations, nowMs: number): void {
    const passed = Math.floor((nowMs - this.#beganAtMs) / this.#maxAgeMs)
    this.#beganAtMs += passed * this.#maxAgeMs
    for (let rolls = Math.min(passed, generations.length); rolls > 0; rolls--) roll(generations)
  }

  /** By two hashes, as good as by twenty: Kirsch and Mitzenmacher, Less Hashing, Same Performance (2006). */
  #bitsOf(key: string): number[] {
    const first = murmur3(key, this.#seed)
    const step = murmur3(key, ~this.#seed) | 1
    return Array.from({ length: BITS_PER_KEY }, (_, index) => (first + Math.imul(index, step)) & (BITS - 1))
  }
}

function emptyGeneration(): Generation {
  return { bits: new Uint32Array(BITS / 32), keys: 0 }
}

/** Begins another generation, in place of the earlier one. */
function roll(generations: Generations): void {
  generations.reverse()
  const [latest] = generations
  latest.bits.fill(0)
  latest.keys = 0
}

function isSet({ bits }: Generation, bit: number): boolean {
  return (bits[bit >>> 5]! & (1 << (bit & 31))) !== 0
}

/** MurmurHash3 (x86, 32 bits), of a string's UTF-16 code units, one a block. */
function murmur3(text: string, seed: number): number {
  let hash = seed
  for (let index = 0; index < text.length; index++) {
    const scrambled = Math.imul(text.charCodeAt(index), 0xcc9e2d51)
    hash ^= Math.imul((scrambled << 15) | (scrambled >>> 17), 0x1b873593)
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0
  }
  hash ^= text.length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}
