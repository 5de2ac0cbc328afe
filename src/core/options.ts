import { InvalidOptionError } from './errors.ts'

/** What an option may be: the test and, in words, the allowed range. */
export interface Rule {
  readonly allowed: string
  accepts(value: unknown): boolean
}

/** One rule for every option of a concept. */
export type Rules<Options> = { readonly [Name in keyof Options]-?: Rule }

/** The longest duration accepted: a year. Longer is a mistake of unit. */
const MAX_DURATION_MS = 365 * 24 * 60 * 60 * 1000

/** A whole number from `min` to `max`. */
export function wholeNumber(min: number, max: number): Rule {
  return {
    allowed: `a whole number from ${min} to ${max}`,
    accepts: value => Number.isInteger(value) && (value as number) >= min && (value as number) <= max
  }
}

/** A finite number from `min` to `max`. */
export function numberBetween(min: number, max: number): Rule {
  return {
    allowed: `a number from ${min} to ${max}`,
    accepts: value => Number.isFinite(value) && (value as number) >= min && (value as number) <= max
  }
}

/** A duration in ms, from `minMs` to a year. */
export function durationMs(minMs: number): Rule {
  return numberBetween(minMs, MAX_DURATION_MS)
}

/** A share of a whole: above 0, up to 1. */
export const share: Rule = {
  allowed: 'a number above 0, up to 1',
  accepts: value => typeof value === 'number' && value > 0 && value <= 1
}

/** One of the given words. */
export function oneOf(words: readonly string[]): Rule {
  return {
    allowed: words.map(word => `'${word}'`).join(' or '),
    accepts: value => typeof value === 'string' && words.includes(value)
  }
}

/** Yes or no. */
export const trueOrFalse: Rule = {
  allowed: 'true or false',
  accepts: value => typeof value === 'boolean'
}

/** An object of options, which is checked where it is used. */
export const anyObject: Rule = {
  allowed: 'an object of options',
  accepts: value => typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A function, or nothing. */
export const optionalFunction: Rule = {
  allowed: 'a function',
  accepts: value => value === undefined || typeof value === 'function'
}

/** Any text. */
export const text: Rule = {
  allowed: 'a string',
  accepts: value => typeof value === 'string'
}

/**
 * Fills what `given` leaves out (or leaves `undefined`) from `defaults`, and checks every value against its rule.
 *
 * @param concept - put before option names in errors, e.g. `breaker`
 * @throws InvalidOptionError naming the first option that is unknown or out of range
 */
export function resolveOptions<Options extends object>(
  concept: string,
  defaults: Options,
  given: Partial<Options> | undefined,
  rules: Rules<Options>
): Readonly<Options> {
  if (given !== undefined && !anyObject.accepts(given)) {
    throw new InvalidOptionError(concept, given, 'an object of options')
  }
  for (const name of Object.keys(given ?? {})) {
    if (!Object.hasOwn(rules, name)) {
      throw new InvalidOptionError(
        `${concept}.${name}`,
        given?.[name as keyof Options],
        `only the options ${Object.keys(rules).join(', ')}`
      )
    }
  }
  const resolved = { ...defaults }
  for (const name of Object.keys(rules) as Array<keyof Options & string>) {
    // Left undefined is left out, but null is a value, and a wrong one.
    const value = given?.[name] === undefined ? defaults[name] : given[name]
    if (!rules[name].accepts(value))
      throw new InvalidOptionError(`${concept}.${name}`, value, rules[name].allowed)
    resolved[name] = value
  }
  return Object.freeze(resolved)
}
