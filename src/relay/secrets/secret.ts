import { type Rule, text } from '../../core/options.ts'

/** Something that is shown only while it is needed: see `SecureBuffer`. */
export interface Secret {
  withAccess<Value>(use: (bytes: Uint8Array) => Value): Value
}

/** Whatever a secret was given as, it is not shown. */
export const HIDDEN = '(hidden)'

/** What a secret can be given as. */
export const secretRule: Rule = {
  allowed: 'a string or a SecureBuffer',
  accepts: value =>
    value === undefined || text.accepts(value) || typeof (value as Secret | null)?.withAccess === 'function'
}

/** Has something done with a secret's bytes, which are not there any more after that; `undefined` if there is none. */
export function withSecret<Value>(
  secret: string | Secret | undefined,
  use: (bytes: Buffer | undefined) => Value
): Value {
  if (secret === undefined) return use(undefined)
  if (typeof secret === 'string') return use(Buffer.from(secret))
  return secret.withAccess(({ buffer, byteOffset, byteLength }) =>
    use(Buffer.from(buffer, byteOffset, byteLength))
  )
}
