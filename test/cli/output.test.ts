import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openOutput } from '../../src/cli/output.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'output-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

const text = Buffer.from('text')

async function write(path: string, { finish }: { finish: boolean }): Promise<void> {
  await using output = await openOutput(path)
  await output.write(text)
  await output.write(text)
  if (finish) await output.finish()
}

test('a file appears when it is complete', async () => {
  const path = join(folder, 'file')
  {
    await using output = await openOutput(path)
    await output.write(text)
    expect(await readdir(folder)).toEqual([expect.stringMatching(/^\.file\.[0-9a-f]{8}\.part$/)])
    await output.finish()
    expect(await readdir(folder)).toEqual(['file'])
  }
  expect(await readFile(path, 'utf8')).toBe('text')
})

test('of a file that is not finished nothing is left, and what was there stays', async () => {
  const path = join(folder, 'file')
  await write(path, { finish: false })
  expect(await readdir(folder)).toEqual([])
  await writeFile(path, 'old')
  await write(path, { finish: false })
  expect(await readFile(path, 'utf8')).toBe('old')
  expect(await readdir(folder)).toEqual(['file'])
})

test('a file is replaced, keeping who may read it', async () => {
  const path = join(folder, 'file')
  await writeFile(path, 'old')
  await chmod(path, 0o600)
  await write(path, { finish: true })
  expect(await readFile(path, 'utf8')).toBe('texttext')
  expect((await stat(path)).mode & 0o777).toBe(0o600)
})

test('behind a link the file is replaced, not the link', async () => {
  await mkdir(join(folder, 'elsewhere'))
  await writeFile(join(folder, 'elsewhere', 'file'), 'old')
  await symlink(join('elsewhere', 'file'), join(folder, 'link'))
  await write(join(folder, 'link'), { finish: true })
  expect(await readFile(join(folder, 'elsewhere', 'file'), 'utf8')).toBe('texttext')
  expect(await readdir(folder)).toEqual(['elsewhere', 'link'])
})

test.each([
  ['.', 'it is a directory; name a file'],
  ['new/', 'it names a directory; name a file'],
  ['missing/file', 'its directory does not exist'],
  ['plain/file', 'a part of its path is no directory'],
  [`${'x'.repeat(255)}`, 'the name is too long']
])('%s is refused: %s', async (name, reason) => {
  await writeFile(join(folder, 'plain'), '')
  const path = `${folder}/${name}`
  await expect(openOutput(path)).rejects.toMatchObject({
    exitCode: 5,
    message: `cannot write ${path}: ${reason}`
  })
  expect(await readdir(folder)).toEqual(['plain'])
})

test('a device is not replaced by a file', async () => {
  await expect(openOutput('/dev/null')).rejects.toMatchObject({
    exitCode: 5,
    message: 'cannot write /dev/null: it is no regular file; leave out -o and redirect standard output'
  })
})
