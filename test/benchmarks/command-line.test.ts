import { describe, expect, test } from 'vitest'
import {
  type OptionTable,
  readNumber,
  readOptions,
  UsageError,
  usageOf
} from '../../benchmarks/command-line.ts'

const options = {
  quick: { kind: 'flag', help: 'few rounds' },
  seed: { kind: 'text', help: 'a seed' },
  only: { kind: 'list', help: 'a group', oneOf: ['one', 'two'] }
} as const satisfies OptionTable

describe('options of a benchmark', () => {
  test('what is not given is undefined, or false if it is a flag', () => {
    expect(readOptions([], options)).toEqual({ quick: false, seed: undefined, only: undefined })
  })

  test('what is given', () => {
    const args = ['--quick', '--seed', '7', '--only', 'one', '--only=two']
    expect(readOptions(args, options)).toEqual({ quick: true, seed: '7', only: ['one', 'two'] })
  })

  test.each([
    [['--quik'], "Unknown option '--quik'"],
    [['--only', 'three'], "--only cannot be 'three'; it may be one, two"],
    [['--seed'], '--seed'],
    [['stray'], 'stray']
  ])('%j is refused', (args, said) => {
    expect(() => readOptions(args, options)).toThrow(said)
    expect(() => readOptions(args, options)).toThrow(UsageError)
  })

  test('the usage names each option, and what it may be', () => {
    const usage = usageOf('bench:x', options)
    expect(usage).toContain('npm run bench:x')
    expect(usage).toMatch(/--only <name> +a group: one, two; may be given more than once/)
  })
})

describe('a number', () => {
  test('is read', () => {
    expect([readNumber('seed', undefined), readNumber('seed', '0'), readNumber('seed', '77')]).toEqual([
      undefined,
      0,
      77
    ])
  })

  test.each(['', 'x', '1.5', '-1', '2147483648'])('%j is none', text => {
    expect(() => readNumber('seed', text)).toThrow(UsageError)
  })
})
