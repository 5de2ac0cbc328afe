/** Something that can be in one {@link Ring}. The links are for the ring alone. */
export class RingElement {
  before: RingElement = this
  after: RingElement = this

  /** Takes it out of its ring; returns whether it was in one. */
  remove(): boolean {
    const wasIn = this.after !== this
    this.before.after = this.after
    this.after.before = this.before
    this.before = this
    this.after = this
    return wasIn
  }
}

/**
 * Elements in the order they were added in, each of which can be removed at once, and is gone without a trace. The
 * tables of a `Set` that changes all the time are replaced again and again, and what was in an old one is kept alive by
 * it until the next full garbage collection.
 */
export class Ring<Element extends RingElement> {
  readonly #ends = new RingElement()

  get isEmpty(): boolean {
    return this.#ends.after === this.#ends
  }

  get size(): number {
    return [...this].length
  }

  /** The one that has been in it longest; `undefined` if it is empty. */
  get first(): Element | undefined {
    return this.isEmpty ? undefined : (this.#ends.after as Element)
  }

  /** The one added last; `undefined` if it is empty. */
  get last(): Element | undefined {
    return this.isEmpty ? undefined : (this.#ends.before as Element)
  }

  add(element: Element): void {
    element.before = this.#ends.before
    element.after = this.#ends
    this.#ends.before.after = element
    this.#ends.before = element
  }

  clear(): void {
    for (const element of [...this]) element.remove()
  }

  /** Goes through all; the one just given may be removed. */
  *[Symbol.iterator](): Generator<Element> {
    let element = this.#ends.after
    while (element !== this.#ends) {
      const { after } = element
      yield element as Element
      element = after
    }
  }
}
