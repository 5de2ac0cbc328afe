import type { Key } from 'interface-datastore'

/** What a datastore does with what it is asked for. */
export type Mood = 'prompt' | 'hanging' | 'throwing' | 'rejecting'

/** A datastore in memory, that can be out of order. */
export class FakeDatastore {
  readonly values = new Map<string, Uint8Array>()
  /** What it was asked for: `get`, `put` or `delete`, and the key. */
  readonly asked: string[] = []
  mood: Mood = 'prompt'
  #release = Promise.withResolvers<void>()

  /** Lets go on what hangs, and all from here on. */
  release(): void {
    this.mood = 'prompt'
    this.#release.resolve()
    this.#release = Promise.withResolvers()
  }

  get(key: Key): Promise<Uint8Array> {
    return this.#answer('get', key, name => {
      const value = this.values.get(name)
      if (value === undefined) throw Object.assign(new Error('Not found'), { name: 'NotFoundError' })
      return value
    })
  }

  put(key: Key, value: Uint8Array): Promise<Key> {
    return this.#answer('put', key, name => {
      this.values.set(name, value)
      return key
    })
  }

  delete(key: Key): Promise<void> {
    return this.#answer('delete', key, name => {
      this.values.delete(name)
    })
  }

  #answer<Value>(what: string, key: Key, act: (name: string) => Value): Promise<Value> {
    this.asked.push(`${what} ${key}`)
    if (this.mood === 'throwing') throw new Error('The disk is gone')
    return this.#wait().then(() => act(key.toString()))
  }

  async #wait(): Promise<void> {
    if (this.mood === 'rejecting') throw new Error('The disk is full')
    if (this.mood === 'hanging') await this.#release.promise
  }
}
