import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { HandshakeLimit } from '../../../src/relay/tls/handshake-limit.ts'

const never = new AbortController().signal

/** Things to be done that end when they are told to. */
function create(max: number) {
  const limit = new HandshakeLimit(max)
  const begun: string[] = []
  const ends = new Map<string, PromiseWithResolvers<string>>()
  const run = (name: string, signal = never): Promise<string> =>
    limit.run(() => {
      begun.push(name)
      ends.set(name, Promise.withResolvers())
      return ends.get(name)!.promise
    }, signal)
  const settled = () => new Promise(resolve => setImmediate(resolve))
  return { limit, begun, run, ends, settled }
}

test('so many are done at once, the others in the order they came in', async () => {
  const { limit, begun, run, ends, settled } = create(2)
  const all = ['a', 'b', 'c', 'd'].map(name => run(name))
  expect(begun).toEqual(['a', 'b'])
  expect([limit.underWay, limit.waiting]).toEqual([2, 2])
  ends.get('b')!.resolve('b is done')
  await settled()
  expect(begun).toEqual(['a', 'b', 'c'])
  for (const name of ['a', 'c']) ends.get(name)!.resolve(`${name} is done`)
  await settled()
  ends.get('d')!.resolve('d is done')
  expect(await Promise.all(all)).toEqual(['a is done', 'b is done', 'c is done', 'd is done'])
  expect([limit.underWay, limit.waiting]).toEqual([0, 0])
})

test('what fails makes room, too', async () => {
  const { begun, run, ends, settled } = create(1)
  const failing = run('a')
  void run('b')
  ends.get('a')!.reject(new Error('no'))
  await expect(failing).rejects.toThrow('no')
  await settled()
  expect(begun).toEqual(['a', 'b'])
})

test('whoever gives up while he waits takes no room', async () => {
  const { limit, begun, run, ends, settled } = create(1)
  const giveUp = new AbortController()
  void run('a')
  const given = run('b', giveUp.signal)
  void run('c')
  giveUp.abort(new Error('enough'))
  await expect(given).rejects.toThrow('enough')
  ends.get('a')!.resolve('')
  await settled()
  expect(begun).toEqual(['a', 'c'])
  await expect(run('d', giveUp.signal)).rejects.toThrow('enough')
  expect([limit.underWay, limit.waiting]).toEqual([1, 0])
})

test('whoever has had his turn is not disturbed by his signal', async () => {
  const { limit, run, ends, settled } = create(1)
  const signal = new AbortController()
  void run('a')
  const second = run('b', signal.signal)
  ends.get('a')!.resolve('')
  await settled()
  expect(getEventListeners(signal.signal, 'abort')).toEqual([])
  signal.abort()
  ends.get('b')!.resolve('done')
  expect(await second).toBe('done')
  expect(limit.underWay).toBe(0)
})
