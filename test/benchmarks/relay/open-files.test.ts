import { expect, test } from 'vitest'
import { tooFewFiles } from '../../../benchmarks/relay/open-files.ts'

test('too few open files are told before anything is opened', () => {
  expect(tooFewFiles(10_001, 1_024)).toContain('it is 1024 here (ulimit -n)')
  expect(tooFewFiles(10_001, 10_100)).toContain('a limit of 10101 open files')
  expect(tooFewFiles(10_001, 10_101)).toBeUndefined()
  expect(tooFewFiles(10_001, undefined)).toBeUndefined()
})

test('the limit of this process is found', () => {
  expect(tooFewFiles(1)).toBeUndefined()
  expect(tooFewFiles(2 ** 40)).toMatch(/it is \d+ here/)
})
