import { parseArgs } from 'node:util'

/** An option of a benchmark. */
export interface Option {
  /** Given once without a value, once with one, or several times with one each. */
  readonly kind: 'flag' | 'text' | 'list'
  readonly help: string
  /** The values there are; any if not given. */
  readonly oneOf?: readonly string[]
  /** What a value is, in a word; a name if `oneOf` is given, else a number. */
  readonly value?: string
}

export type OptionTable = Readonly<Record<string, Option>>

/** What was given; `undefined` if it was not. */
export type Values<Options extends OptionTable> = {
  readonly [Name in keyof Options]: Options[Name]['kind'] extends 'flag'
    ? boolean
    : (Options[Name]['kind'] extends 'text' ? string : readonly string[]) | undefined
}

/** What was asked for cannot be done. The message says what is wrong, and what would be right. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** @throws UsageError for an option or a value that there is not */
export function readOptions<Options extends OptionTable>(
  args: readonly string[],
  options: Options
): Values<Options> {
  const found: Record<string, unknown> = parse(args, options)
  for (const [name, { oneOf }] of Object.entries(options)) {
    const given = [found[name] ?? []].flat() as string[]
    const unknown = given.find(value => !(oneOf?.includes(value) ?? true))
    if (unknown !== undefined)
      throw new UsageError(`--${name} cannot be '${unknown}'; it may be ${oneOf!.join(', ')}`)
  }
  return Object.fromEntries(
    Object.entries(options).map(([name, { kind }]) => [
      name,
      found[name] ?? (kind === 'flag' ? false : undefined)
    ])
  ) as Values<Options>
}

function parse(args: readonly string[], options: OptionTable): Record<string, unknown> {
  const config = Object.fromEntries(
    Object.entries(options).map(([name, { kind }]) => [
      name,
      { type: kind === 'flag' ? ('boolean' as const) : ('string' as const), multiple: kind === 'list' }
    ])
  )
  try {
    return parseArgs({ args: [...args], options: config }).values
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('. ')[0]}`, { cause: error })
  }
}

/** @returns undefined if nothing was given @throws UsageError for what is no whole number that 32 bits hold */
export function readNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const number = Number(text)
  if (/^\d+$/.test(text) && number < 2 ** 31) return number
  throw new UsageError(`--${name} cannot be '${text}'; it may be a whole number from 0 to ${2 ** 31 - 1}`)
}

export function usageOf(command: string, options: OptionTable): string {
  const lines = Object.entries(options).map(([name, { kind, help, oneOf, value }]) => {
    const shown = kind === 'flag' ? '' : ` <${value ?? (oneOf === undefined ? 'number' : 'name')}>`
    const several = kind === 'list' ? '; may be given more than once' : ''
    return `  ${`--${name}${shown}`.padEnd(20)} ${help}${oneOf === undefined ? '' : `: ${oneOf.join(', ')}`}${several}`
  })
  return [`usage: npm run ${command} -- [options]`, ...lines].join('\n')
}
