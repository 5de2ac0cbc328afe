/** What one label has to be, or not to be. */
interface Matcher {
  readonly label: string
  readonly operator: '=' | '!=' | '=~' | '!~'
  readonly value: string
}

/** What an expression asks for: a metric by its name, by its labels, or both. */
export interface Selector {
  /** As it is written. */
  readonly text: string
  readonly matchers: readonly Matcher[]
}

/** Labels, with the name as `__name__`. */
export type Series = Readonly<Record<string, string>>

export function nameOf({ __name__: name = '' }: Series): string {
  return name
}

const keywords = new Set(['and', 'or', 'unless', 'bool', 'offset', 'vector', 'inf', 'nan'])
const GROUPING = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)/g
const SELECTOR = /([a-zA-Z_:][\w:]*)?\s*\{([^{}]*)\}/g
const MATCHER = /(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"/g
const NAME = /(?<![\w:])[a-zA-Z_:][\w:]*(?![\w:]|\s*\()/g

/** The labels that an expression groups by, or joins on. */
export function groupedLabels(expression: string): string[] {
  return [...expression.matchAll(GROUPING)]
    .flatMap(([, labels]) => labels!.split(','))
    .map(label => label.trim())
}

/** All that an expression asks for. */
export function selectorsOf(expression: string): Selector[] {
  const bare = expression
    .replaceAll(/#.*$/gm, '')
    .replaceAll(GROUPING, ' ')
    .replaceAll(/\[[^\]]*\]/g, ' ')
  const inBraces = [...bare.matchAll(SELECTOR)].map(([text, name, matchers]) => ({
    text: text.trim(),
    matchers: [...named(name), ...matchersOf(matchers!)]
  }))
  const names = [...bare.replaceAll(SELECTOR, ' ').matchAll(NAME)]
    .map(([name]) => name)
    .filter(name => !keywords.has(name.toLowerCase()))
  return [...inBraces, ...names.map(name => ({ text: name, matchers: named(name) }))]
}

export function matches(series: Series, { matchers }: Selector): boolean {
  return matchers.every(({ label, operator, value }) => {
    const found = series[label] ?? ''
    const isEqual = operator.endsWith('~') ? new RegExp(`^(?:${value})$`).test(found) : found === value
    return operator.startsWith('!') ? !isEqual : isEqual
  })
}

function named(name: string | undefined): Matcher[] {
  return name === undefined ? [] : [{ label: '__name__', operator: '=', value: name }]
}

function matchersOf(text: string): Matcher[] {
  return [...text.matchAll(MATCHER)].map(([, label, operator, value]) => ({
    label: label!,
    operator: operator as Matcher['operator'],
    value: value!
  }))
}
