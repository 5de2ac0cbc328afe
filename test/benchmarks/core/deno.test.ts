import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { UsageError, usageOf } from '../../../benchmarks/command-line.ts'
import { DENO, denoBreaker, denoCandidates, denoNote, findDeno } from '../../../benchmarks/core/deno.ts'
import type { Settings } from '../../../benchmarks/harness.ts'

const settings: Settings = { isQuick: true, isReplay: false, seed: 1 }

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'deno-'))
  writeFileSync(join(folder, 'package.json'), '{ "name": "@x/async", "version": "1.2.3", "type": "module" }')
})

afterEach(() => rmSync(folder, { recursive: true }))

/** Writes a module; returns its path. */
function moduleOf(text: string): string {
  const file = join(folder, `${text.length}.js`)
  writeFileSync(file, text)
  return file
}

const breaker = `export class CircuitBreaker {
  state = 'closed'
  constructor(options) { this.options = options }
}`

describe('the file of the breaker', () => {
  test('need not be given', async () => {
    expect(await findDeno(undefined)).toBeUndefined()
  })

  test('is found from the working directory', async () => {
    const file = moduleOf(breaker)
    expect(await findDeno(relative(process.cwd(), file))).toBe(file)
  })

  test.each([
    ['is not there', () => join(folder, 'absent.js')],
    ['fails to load', () => moduleOf("throw new Error('it needs Deno')")],
    ['has no breaker in it', () => moduleOf('export const other = 1')],
    ['has something else of that name', () => moduleOf('export class CircuitBreaker {}')]
  ])('is refused if it %s', async (_, file) => {
    const path = file()
    const refused = findDeno(path)
    await expect(refused).rejects.toThrow(UsageError)
    await expect(refused).rejects.toThrow(`--deno cannot be '${path}'`)
  })
})

test('it trips as it does by default, or never', async () => {
  const file = moduleOf(breaker)
  expect(await denoBreaker(file)).not.toHaveProperty('options.minimumThroughput')
  expect(await denoBreaker(file, false)).toHaveProperty('options.minimumThroughput', Number.MAX_SAFE_INTEGER)
})

test('it is a candidate only if given', () => {
  const prepare = async () => ({ run() {} })
  expect(denoCandidates(settings, 10, prepare)).toEqual([])
  const [candidate] = denoCandidates({ ...settings, denoFile: 'x.js' }, 10, prepare)
  expect(candidate).toMatchObject({ name: DENO, batch: 10 })
})

test('the report says which one was compared, or how it can be', () => {
  expect(denoNote({ ...settings, denoFile: join(folder, 'x.js') })).toContain('@x/async 1.2.3')
  expect(denoNote(settings)).toContain('--deno <folder>/')
})

test('the usage says that the option takes a file', () => {
  const usage = usageOf('bench:x', { deno: { kind: 'text', help: 'a breaker', value: 'file' } })
  expect(usage).toMatch(/--deno <file> +a breaker/)
})
