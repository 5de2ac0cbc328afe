import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import type { Gobreaker } from './gobreaker.ts'
import { COMBINATIONS, exhaustiveTraces, randomTrace, type Trace } from './traces.ts'

/** A trace, and what the real gobreaker showed. */
export interface Golden extends Trace {
  expected: string
}

const FOLDER = join(import.meta.dirname, 'golden')
const RANDOM_LENGTH = 100
const EXHAUSTIVE_DEPTH = 4

export const goldenNames = ['random', 'exhaustive'] as const
type GoldenName = (typeof goldenNames)[number]

export function readGolden(name: GoldenName): Golden[] {
  const lines = gunzipSync(readFileSync(pathOf(name)))
    .toString()
    .trimEnd()
    .split('\n')
  return lines.map(line => JSON.parse(line))
}

/** Writes the golden files anew; the traces are always the same, from seed 0 on. */
export function writeGolden(gobreaker: Gobreaker): void {
  const random = Array.from({ length: COMBINATIONS }, (_, seed) => randomTrace(seed, RANDOM_LENGTH))
  mkdirSync(FOLDER, { recursive: true })
  write('random', random, gobreaker)
  write('exhaustive', [...exhaustiveTraces(EXHAUSTIVE_DEPTH)], gobreaker)
}

function write(name: GoldenName, traces: Trace[], gobreaker: Gobreaker): void {
  const expected = gobreaker.replay(traces)
  const lines = traces.map((trace, index) => `${JSON.stringify({ ...trace, expected: expected[index] })}\n`)
  writeFileSync(pathOf(name), gzipSync(lines.join(''), { level: 9 }))
}

function pathOf(name: GoldenName): string {
  return join(FOLDER, `${name}.ndjson.gz`)
}
