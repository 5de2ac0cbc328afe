import { seededRandom } from '../harness.ts'

/**
 * Chances for one purpose: those of one seed do not depend on how many another purpose takes.
 *
 * The name is hashed by 32-bit FNV-1a, as described at http://www.isthe.com/chongo/tech/comp/fnv/.
 */
export function seededStream(seed: number, purpose: string): () => number {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(`${seed}/${purpose}`)) hash = Math.imul(hash ^ byte, 0x01000193)
  return seededRandom(hash)
}
