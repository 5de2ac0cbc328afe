import { type Candidate, seededRandom, shuffled } from '../harness.ts'
import { timedGroup } from '../timed-group.ts'
import { noop } from './subjects.ts'

const RAW = 'await fn()'

/** As much memory as 100 k records of the inner form take. */
const MEMORY_BYTES = 12_000_000
const LINE_INTS = 32

/**
 * Reads from places all over the memory, each known only from the one before. This is what it takes at least to
 * come to a target that was not called for long.
 */
function memoryRead(): Candidate {
  return {
    name: `read out of ${MEMORY_BYTES / 1_000_000} MB, at random`,
    batch: 100_000,
    prepare() {
      const lines = Math.floor(MEMORY_BYTES / 4 / LINE_INTS)
      const memory = new Int32Array(lines * LINE_INTS)
      const order = shuffled(lines, seededRandom(lines))
      for (const [index, line] of order.entries())
        memory[line * LINE_INTS] = order[(index + 1) % lines]! * LINE_INTS
      let place = 0
      return {
        run(times) {
          let at = place
          for (let time = 0; time < times; time++) at = memory[at]!
          place = at
        }
      }
    }
  }
}

const candidates: readonly Candidate[] = [
  {
    name: RAW,
    batch: 20_000,
    prepare: () => ({
      async run(times) {
        for (let time = 0; time < times; time++) await noop()
      }
    })
  },
  {
    name: 'performance.now()',
    batch: 100_000,
    prepare() {
      let last = 0
      return {
        run(times) {
          for (let time = 0; time < times; time++) last = performance.now()
        },
        fault: () => (last > 0 ? undefined : 'no time was read')
      }
    }
  },
  memoryRead()
]

export const yardsticks = timedGroup({
  name: 'yardsticks',
  title: 'what this machine takes for next to nothing',
  raw: RAW,
  ours: RAW,
  candidates: () => candidates
})
