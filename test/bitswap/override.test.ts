import { describe, expect, test } from 'vitest'
import { Override } from '../../src/bitswap/override.ts'

/** Somebody else's object, with a method of its class and one of its own. */
class Owner {
  readonly name: string
  readonly own = (word: string): string => `${this.name}.own ${word}`

  constructor(name = 'owner') {
    this.name = name
  }

  inherited(word: string): string {
    return `${this.name} ${word}`
  }
}

/** Puts `mark` before whatever the method returns. */
function marking(owner: Owner, mark: string): Override<Owner, 'inherited'> {
  return new Override(owner, 'inherited', original => word => `${mark}(${original(word)})`)
}

const inherited = Owner.prototype.inherited

describe('a method of the class', () => {
  test('is stood in for, and is again that of the class afterwards', () => {
    const owner = new Owner()
    const override = marking(owner, 'ours')
    override.activate()
    expect(owner.inherited('hello')).toBe('ours(owner hello)')
    override.deactivate()
    expect(owner.inherited('hello')).toBe('owner hello')
    expect(Object.hasOwn(owner, 'inherited')).toBe(false)
    expect(owner.inherited).toBe(inherited)
  })

  test('is touched on this object alone', () => {
    const override = marking(new Owner(), 'ours')
    override.activate()
    expect(new Owner('other').inherited('hello')).toBe('other hello')
  })
})

describe("an object's own method", () => {
  test('is put back exactly as it was', () => {
    const owner = new Owner()
    Object.defineProperty(owner, 'own', { enumerable: false, writable: true, configurable: true })
    const before = Object.getOwnPropertyDescriptor(owner, 'own')
    const override = new Override(owner, 'own', () => () => 'ours')
    override.activate()
    expect(owner.own('hello')).toBe('ours')
    override.deactivate()
    expect(Object.getOwnPropertyDescriptor(owner, 'own')).toEqual(before)
    expect(owner.own('hello')).toBe('owner.own hello')
  })
})

test('does nothing before it is activated', () => {
  const owner = new Owner()
  const override = marking(owner, 'ours')
  override.deactivate()
  expect(owner.inherited).toBe(inherited)
  expect(Object.hasOwn(owner, 'inherited')).toBe(false)
})

test('hands on arguments, result and errors as they are', async () => {
  const failure = new Error('no')
  const owner = {
    method: (...args: unknown[]): Promise<unknown> =>
      args[0] === 'fail' ? Promise.reject(failure) : Promise.resolve(args)
  }
  new Override(owner, 'method', original => original).activate()
  expect(await owner.method(1, undefined, 'three')).toEqual([1, undefined, 'three'])
  await expect(owner.method('fail')).rejects.toBe(failure)
})

test('keeps `this`, however the method is called', () => {
  const owner = new Owner()
  const override = marking(owner, 'ours')
  override.activate()
  const { inherited: detached } = owner
  expect(detached('hello')).toBe('ours(owner hello)')
  expect(Reflect.apply(detached, undefined, ['hello'])).toBe('ours(owner hello)')
})

test('lets `this` through as it comes while it does nothing', () => {
  const owner = new Owner()
  const override = marking(owner, 'ours')
  override.activate()
  const { inherited: kept } = owner
  override.deactivate()
  expect(Reflect.apply(kept, new Owner('other'), ['hello'])).toBe('other hello')
})

test('activated twice, it stands in once', () => {
  const owner = new Owner()
  const override = marking(owner, 'ours')
  override.activate()
  override.activate()
  expect(owner.inherited('hello')).toBe('ours(owner hello)')
  override.deactivate()
  expect(owner.inherited).toBe(inherited)
})

test('a thousand cycles leave nothing behind', () => {
  const owner = new Owner()
  const override = marking(owner, 'ours')
  for (let cycle = 0; cycle < 1000; cycle++) {
    override.activate()
    override.deactivate()
  }
  expect(owner.inherited).toBe(inherited)
  override.activate()
  expect(owner.inherited('hello')).toBe('ours(owner hello)')
})

describe('with another plugin', () => {
  /** A plugin that wraps as most do: it keeps what it finds, and puts that back. */
  function plug(owner: Owner): () => void {
    const found = owner.inherited
    owner.inherited = word => `plugin(${found.call(owner, word)})`
    return () => {
      owner.inherited = found
    }
  }

  test('on top of it, it becomes invisible when it is deactivated', () => {
    const owner = new Owner()
    const override = marking(owner, 'ours')
    override.activate()
    const unplug = plug(owner)
    expect(owner.inherited('hello')).toBe('plugin(ours(owner hello))')
    override.deactivate()
    expect(owner.inherited('hello')).toBe('plugin(owner hello)')
    unplug()
    expect(owner.inherited('hello')).toBe('owner hello')
  })

  /** Who saw a call, in any order. */
  function seenBy(owner: Owner): string[] {
    return (
      owner
        .inherited('hello')
        .match(/ours|plugin/g)
        ?.sort() ?? []
    )
  }

  test('on top of it, it works again when it is activated again', () => {
    const owner = new Owner()
    const override = marking(owner, 'ours')
    override.activate()
    plug(owner)
    override.deactivate()
    expect(seenBy(owner)).toEqual(['plugin'])
    override.activate()
    expect(seenBy(owner)).toEqual(['ours', 'plugin'])
  })

  test('on top of it, it is there once, however often it is activated', () => {
    const owner = new Owner()
    const override = marking(owner, 'ours')
    override.activate()
    plug(owner)
    override.activate()
    expect(seenBy(owner)).toEqual(['ours', 'plugin'])
  })

  test('that comes and goes many times on top of it, nothing is left', () => {
    const owner = new Owner()
    const override = marking(owner, 'ours')
    for (let cycle = 0; cycle < 20_000; cycle++) {
      override.activate()
      const unplug = plug(owner)
      override.deactivate()
      unplug()
    }
    override.activate()
    expect(owner.inherited('hello')).toBe('ours(owner hello)')
    override.deactivate()
    expect(owner.inherited).toBe(inherited)
  })

  test('on top of it, many cycles add nothing', () => {
    const owner = new Owner()
    const override = marking(owner, 'ours')
    override.activate()
    plug(owner)
    for (let cycle = 0; cycle < 20_000; cycle++) {
      override.deactivate()
      override.activate()
    }
    // A chain that long would exhaust the stack.
    expect(seenBy(owner)).toEqual(['ours', 'plugin'])
  })

  test('that has gone from on top of it, it goes away completely at the next chance', () => {
    const owner = new Owner()
    const override = marking(owner, 'ours')
    override.activate()
    const unplug = plug(owner)
    override.deactivate()
    unplug()
    override.activate()
    override.deactivate()
    expect(owner.inherited).toBe(inherited)
    expect(Object.hasOwn(owner, 'inherited')).toBe(false)
  })

  test('that has gone from on top of it meanwhile, it still does nothing', () => {
    const owner = new Owner()
    const override = marking(owner, 'ours')
    override.activate()
    const unplug = plug(owner)
    override.deactivate()
    unplug()
    expect(seenBy(owner)).toEqual([])
    override.activate()
    expect(seenBy(owner)).toEqual(['ours'])
    override.deactivate()
    expect(seenBy(owner)).toEqual([])
  })

  test('below it, that stays when it is deactivated', () => {
    const owner = new Owner()
    plug(owner)
    const override = marking(owner, 'ours')
    const plugged = owner.inherited
    override.activate()
    expect(owner.inherited('hello')).toBe('ours(plugin(owner hello))')
    override.deactivate()
    expect(owner.inherited).toBe(plugged)
    expect(owner.inherited('hello')).toBe('plugin(owner hello)')
  })

  test('below it, which then goes and takes it along, it comes back when it is activated again', () => {
    const owner = new Owner()
    const unplug = plug(owner)
    const override = marking(owner, 'ours')
    override.activate()
    // Puts back what it had found, so ours is gone, too.
    unplug()
    override.deactivate()
    override.activate()
    expect(owner.inherited('hello')).toBe('ours(owner hello)')
  })

  test.each([
    ['first', 0],
    ['last', 1]
  ])('of its own kind, both go, the lower one %s', (_order, first) => {
    const owner = new Owner()
    const overrides = [marking(owner, 'lower'), marking(owner, 'upper')]
    for (const override of overrides) override.activate()
    expect(owner.inherited('hello')).toBe('upper(lower(owner hello))')
    overrides[first]!.deactivate()
    expect(owner.inherited('hello')).toBe(first === 0 ? 'upper(owner hello)' : 'lower(owner hello)')
    overrides[1 - first]!.deactivate()
    expect(owner.inherited('hello')).toBe('owner hello')
  })
})

test('what the method was when it was activated counts, not when it was made', () => {
  const owner = new Owner()
  const override = marking(owner, 'ours')
  owner.inherited = () => 'new'
  override.activate()
  expect(owner.inherited('hello')).toBe('ours(new)')
})

test('what the method is when it is activated again counts', () => {
  const owner = new Owner()
  const override = marking(owner, 'ours')
  override.activate()
  override.deactivate()
  owner.inherited = () => 'new'
  override.activate()
  expect(owner.inherited('hello')).toBe('ours(new)')
  override.deactivate()
  expect(owner.inherited('hello')).toBe('new')
})
