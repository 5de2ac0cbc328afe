type Method = (...args: never[]) => unknown

/** Names of an object's methods. */
type MethodName<Owner> = {
  [Name in keyof Owner]-?: NonNullable<Owner[Name]> extends Method ? Name : never
}[keyof Owner]

/** What an optional method does that is not there. */
const noMethod: Method = () => undefined

/** Stands in for a method of somebody else's object, and gives its place back. */
export class Override<Owner extends object, Name extends MethodName<Owner>> {
  readonly #owner: Owner
  readonly #name: Name
  readonly #replace: (original: Owner[Name]) => Owner[Name]
  #own: PropertyDescriptor | undefined
  #standIn: Owner[Name] | undefined
  #isActive = false

  /** @param replace - makes what is called instead of the method it is given; a missing one does nothing */
  constructor(owner: Owner, name: Name, replace: (original: Owner[Name]) => Owner[Name]) {
    this.#owner = owner
    this.#name = name
    this.#replace = replace
  }

  activate(): void {
    this.#isActive = true
    if (this.#standIn !== undefined) return
    const owner = this.#owner
    const original = (owner[this.#name] ?? noMethod) as Method
    const bound: Method = (...args) => Reflect.apply(original, owner, args)
    const replacement = this.#replace(bound as Owner[Name]) as Method
    const method = (): Method => (this.#isActive ? replacement : original)
    const standIn: Method = function (this: unknown, ...args) {
      return Reflect.apply(method(), this, args)
    }
    this.#own = Object.getOwnPropertyDescriptor(owner, this.#name)
    this.#standIn = standIn as Owner[Name]
    owner[this.#name] = this.#standIn
  }

  /** Where somebody has put something on top of it, it stays in place and lets everything through. */
  deactivate(): void {
    this.#isActive = false
    if (this.#standIn === undefined || this.#owner[this.#name] !== this.#standIn) return
    this.#standIn = undefined
    if (this.#own === undefined) Reflect.deleteProperty(this.#owner, this.#name)
    else Object.defineProperty(this.#owner, this.#name, this.#own)
  }
}
