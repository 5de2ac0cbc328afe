import type { Rule } from '../core/options.ts'

/** What the names of metrics may begin with. */
export const namespaceRule: Rule = {
  allowed: 'letters, digits and _, beginning with a letter',
  accepts: value => typeof value === 'string' && /^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(value)
}
