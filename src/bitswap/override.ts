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
  /** What was put in place, the newest last, and may still be: each takes itself away if it is on top. */
  readonly #removals: Array<() => boolean> = []
  #silence: (() => void) | undefined

  /** @param replace - makes what is called instead of the method it is given; a missing one does nothing */
  constructor(owner: Owner, name: Name, replace: (original: Owner[Name]) => Owner[Name]) {
    this.#owner = owner
    this.#name = name
    this.#replace = replace
  }

  activate(): void {
    if (this.#silence !== undefined) return
    this.#tidy()
    this.#silence = this.#install()
  }

  /**
   * Gives the place back. Where somebody has put something on top of it, it stays there and lets everything through,
   * since it cannot be known whether it is still reached.
   */
  deactivate(): void {
    this.#silence?.()
    this.#silence = undefined
    this.#tidy()
  }

  #tidy(): void {
    while (this.#removals.at(-1)?.() === true) this.#removals.pop()
  }

  #install(): () => void {
    const owner = this.#owner
    const own = Object.getOwnPropertyDescriptor(owner, this.#name)
    const original = (owner[this.#name] ?? noMethod) as Method
    const bound: Method = (...args) => Reflect.apply(original, owner, args)
    let method = this.#replace(bound as Owner[Name]) as Method
    const standIn: Method = function (this: unknown, ...args) {
      return Reflect.apply(method, this, args)
    }
    owner[this.#name] = standIn as Owner[Name]
    this.#removals.push(() => {
      if (owner[this.#name] !== standIn) return false
      if (own === undefined) Reflect.deleteProperty(owner, this.#name)
      else Object.defineProperty(owner, this.#name, own)
      return true
    })
    return () => {
      method = original
    }
  }
}
