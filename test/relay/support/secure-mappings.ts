import { closeSync, openSync, readFileSync, readSync } from 'node:fs'

/** In how much of it at once, in bytes. */
const STEP = 2 ** 24

/** Rights of the mappings of a process that contain something, one for each time they do. */
export function findInMemory(pid: number, needle: Uint8Array): string[] {
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  try {
    return readMappings(readFileSync(`/proc/${pid}/smaps`, 'latin1'))
      .filter(({ isUsed }) => isUsed)
      .flatMap(({ from, to, rights }) =>
        Array.from({ length: countIn(memory, from, to, needle) }, () => rights)
      )
  } finally {
    closeSync(memory)
  }
}

/** A piece of the memory of a process. */
export interface Mapping {
  readonly from: number
  readonly to: number
  readonly rights: string
  readonly flags: readonly string[]
  /** Whether there is any memory behind it. */
  readonly isUsed: boolean
}

/** Reads `/proc/pid/smaps`: see proc(5). */
export function readMappings(smaps: string): Mapping[] {
  return smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).map(text => {
    const [, from = '', to = '', rights = ''] = /^([0-9a-f]+)-([0-9a-f]+) (\S+)/.exec(text) ?? []
    const [, flags = ''] = /^VmFlags: (.*)$/m.exec(text) ?? []
    return {
      from: Number.parseInt(from, 16),
      to: Number.parseInt(to, 16),
      rights,
      flags: flags.trim().split(' '),
      isUsed: !/^Rss: +0 kB$/m.test(text) || !/^Swap: +0 kB$/m.test(text)
    }
  })
}

function countIn(memory: number, from: number, to: number, needle: Uint8Array): number {
  let count = 0
  for (let at = from; at < to; at += STEP) {
    // What lies across a border is found as a part of what comes before it.
    const part = readPart(memory, at, Math.min(STEP + needle.length - 1, to - at))
    for (let found = part.indexOf(needle); found >= 0; found = part.indexOf(needle, found + 1)) count++
  }
  return count
}

/** What can be read of it: guard pages, and what was never used, cannot. */
function readPart(memory: number, at: number, length: number): Buffer {
  const part = Buffer.alloc(length)
  try {
    return part.subarray(0, readSync(memory, part, 0, length, at))
  } catch {
    return part.subarray(0, 0)
  }
}
