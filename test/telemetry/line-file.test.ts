import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LineFile } from '../../src/telemetry/line-file.ts'

let folder: string
let path: string
let errors: unknown[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'line-file-'))
  path = join(folder, 'log')
  errors = []
})

afterEach(() => rm(folder, { recursive: true }))

function create(maxBytes = 1_000, maxFiles = 3): LineFile {
  return new LineFile(path, { maxBytes, maxFiles }, error => errors.push(error))
}

const read = (name = 'log'): Promise<string> => readFile(join(folder, name), 'utf8')

test('lines are written in order, and are there once flushed', async () => {
  await using file = create()
  for (const line of ['a', 'b', 'c']) file.write(line)
  await file.flush()
  expect(await read()).toBe('a\nb\nc\n')
  file.write('d')
  await file.flush()
  expect(await read()).toBe('a\nb\nc\nd\n')
  expect([errors, file.lost]).toEqual([[], 0])
})

test('what was there before is kept', async () => {
  await writeFile(path, 'before\n')
  await using file = create()
  file.write('after')
  await file.flush()
  expect(await read()).toBe('before\nafter\n')
})

test('nothing is written before there is a line', async () => {
  const file = create()
  await file[Symbol.asyncDispose]()
  expect(await readdir(folder)).toEqual([])
})

test('only whom it belongs to may read it', async () => {
  await using file = create()
  file.write('a')
  await file.flush()
  expect((await stat(path)).mode & 0o777).toBe(0o600)
})

describe('a file that would get too large', () => {
  test('is set aside, and the oldest deleted', async () => {
    await using file = create(10, 3)
    for (let number = 0; number < 9; number++) file.write(`line${number}`)
    await file.flush()
    // Of six bytes each, only one has room.
    expect((await readdir(folder)).sort()).toEqual(['log', 'log.1', 'log.2'])
    expect([await read('log.2'), await read('log.1'), await read()]).toEqual([
      'line6\n',
      'line7\n',
      'line8\n'
    ])
  })

  test('is as large as it may be', async () => {
    await using file = create(12, 3)
    for (let number = 0; number < 5; number++) file.write(`line${number}`)
    await file.flush()
    expect([await read('log.2'), await read('log.1'), await read()]).toEqual([
      'line0\nline1\n',
      'line2\nline3\n',
      'line4\n'
    ])
  })

  test('is set aside also if it was there before', async () => {
    await writeFile(path, 'from before\n')
    await using file = create(14, 2)
    file.write('new')
    await file.flush()
    expect([await read('log.1'), await read()]).toEqual(['from before\n', 'new\n'])
  })

  test('is emptied if it is the only one', async () => {
    await using file = create(10, 1)
    for (let number = 0; number < 3; number++) file.write(`line${number}`)
    await file.flush()
    expect(await readdir(folder)).toEqual(['log'])
    expect(await read()).toBe('line2\n')
  })

  test('takes a line all the same that is longer than any may be', async () => {
    await using file = create(10, 3)
    file.write('a')
    file.write('x'.repeat(50))
    file.write('b')
    await file.flush()
    expect([await read('log.2'), await read('log.1'), await read()]).toEqual([
      'a\n',
      `${'x'.repeat(50)}\n`,
      'b\n'
    ])
  })

  test('is not set aside while it is empty', async () => {
    await using file = create(10, 3)
    file.write('x'.repeat(50))
    await file.flush()
    expect(await readdir(folder)).toEqual(['log'])
  })

  test('counts bytes, not characters', async () => {
    await using file = create(10, 3)
    file.write('ääää')
    file.write('b')
    await file.flush()
    expect([await read('log.1'), await read()]).toEqual(['ääää\n', 'b\n'])
  })
})

describe('what cannot be written', () => {
  test('is counted and told, and later lines are written once they can be', async () => {
    await mkdir(path)
    await using file = create()
    file.write('a')
    file.write('b')
    await file.flush()
    expect(file.lost).toBe(2)
    expect(errors.length).toBeGreaterThan(0)
    for (const error of errors) expect(error).toMatchObject({ code: 'EISDIR' })
    await rm(path, { recursive: true })
    file.write('c')
    await file.flush()
    expect(await read()).toBe('c\n')
    expect(file.lost).toBe(2)
  })

  test('since too much comes at once is counted', async () => {
    await using file = create(10_000_000)
    for (let number = 0; number < 10_050; number++) file.write('x')
    await file.flush()
    const written = (await read()).length / 2
    expect(written).toBeGreaterThanOrEqual(10_000)
    expect(written + file.lost).toBe(10_050)
    expect(file.lost).toBeGreaterThan(0)
  })
})
