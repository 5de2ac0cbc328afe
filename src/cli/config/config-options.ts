import type { ConfigObject } from './config-object.ts'
import { writeDuration } from './duration.ts'

// Options stand in a config file under their own names; but for durations, which have their unit in the value there instead of in
// the name: `timeoutMs: 30_000` is `"timeout": "30s"`.

const DURATION = /Ms$/

/** Under which names options stand in a config file. */
export function namesOf(defaults: object): string[] {
  return Object.keys(defaults).map(nameOf)
}

/** What is given of options that have these defaults. What values may be, those know whose options they are. */
export function readOptions<Options extends object>(
  config: ConfigObject | undefined,
  defaults: Options
): Partial<Options> {
  if (config === undefined) return {}
  const given = Object.keys(defaults).flatMap(option => {
    const name = nameOf(option)
    const value = config.given(name)
    if (value === undefined) return []
    // Of an alert, no limit at all.
    return [[option, DURATION.test(option) && value !== false ? config.durationMs(name) : value] as const]
  })
  return Object.fromEntries(given) as Partial<Options>
}

/** Options as they would stand in a config file. Functions, and what is not set, are left out. */
export function writeOptions(options: object): Record<string, unknown> {
  const written = Object.entries(options).flatMap(([option, value]) => {
    if (value === undefined || typeof value === 'function') return []
    if (DURATION.test(option) && typeof value === 'number')
      return [[nameOf(option), writeDuration(value)] as const]
    return [[nameOf(option), isOptions(value) ? writeOptions(value) : value] as const]
  })
  return Object.fromEntries(written)
}

function nameOf(option: string): string {
  return option.replace(DURATION, '')
}

function isOptions(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

/** What is given of options that stand in an object of their own; `undefined` if there is none. @throws ConfigError */
export function readPart<Options extends object>(
  config: ConfigObject,
  name: string,
  defaults: Options
): Partial<Options> | undefined {
  const given = config.object(name, namesOf(defaults))
  return given && readOptions(given, defaults)
}
