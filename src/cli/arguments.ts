import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { UsageError } from './command-error.ts'
import { nearest } from './nearest.ts'

type Parsed<Options extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: Options; allowPositionals: true }>
>

/**
 * Reads the arguments of a command, all of them checked against `options`.
 *
 * Node's own strict mode would stop at the same mistakes, but its messages neither suggest the option that was
 * meant nor keep to one line.
 *
 * @throws UsageError
 */
export function readArguments<const Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: Options
): Parsed<Options> {
  const { tokens } = parseArgs({
    args: [...args],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true
  })
  for (const token of tokens) {
    if (token.kind === 'option') checkOption(token, options)
  }
  return parseArgs({ args: [...args], options, allowPositionals: true })
}

interface OptionToken {
  readonly name: string
  readonly rawName: string
  readonly value: string | undefined
  readonly inlineValue: boolean | undefined
}

function checkOption(token: OptionToken, options: ParseArgsOptionsConfig): void {
  const { name, rawName, value, inlineValue } = token
  if (!Object.hasOwn(options, name)) throw new UsageError(unknownOption(rawName, options))
  const takesValue = options[name]!.type === 'string'
  if (!takesValue && value !== undefined) {
    throw new UsageError(`option ${rawName} takes no value, but got '${value}'`)
  }
  // What looks like another option was hardly meant as the value; `--name=-value` says that it was.
  const isMissing = value === undefined || value === '' || (!inlineValue && /^-./.test(value))
  if (takesValue && isMissing) throw new UsageError(`option ${rawName} needs a value`)
}

function unknownOption(rawName: string, options: ParseArgsOptionsConfig): string {
  const names = Object.keys(options).map(name => `--${name}`)
  const meant = nearest(rawName, names)
  return `unknown option ${rawName}; ${meant === undefined ? `there are ${names.join(', ')}` : `did you mean ${meant}?`}`
}
