import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { goldenNames, readGolden } from './golden.ts'
import { loadCore, mutants } from './mutants.ts'
import { type Core, compare, describeMismatch, publicForm, tableForm } from './replay.ts'

// Beside the sources, so that what they import is found.
const folder = mkdtempSync(join(import.meta.dirname, '../../.mutant-'))
const traces = goldenNames.flatMap(readGolden)

afterAll(() => rmSync(folder, { recursive: true }))

function firstMismatch(core: Core): string | undefined {
  for (const trace of traces) {
    for (const form of trace.once ? [tableForm, publicForm] : [tableForm]) {
      const mismatch = compare(core, form, trace, trace.expected)
      if (mismatch !== undefined) return describeMismatch(mismatch)
    }
  }
  return undefined
}

test('the source itself passes', async () => {
  expect(firstMismatch(await loadCore(join(folder, 'source')))).toBeUndefined()
})

test.each(mutants.map((mutant, number) => ({ ...mutant, number })))('shown up: $name', async mutant => {
  expect(firstMismatch(await loadCore(join(folder, `${mutant.number}`), mutant))).toBeDefined()
})
