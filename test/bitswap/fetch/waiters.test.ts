import { getEventListeners } from 'node:events'
import type { CID } from 'multiformats/cid'
import { expect, test } from 'vitest'
import { type FetchProgress, progress } from '../../../src/bitswap/fetch/fetch-progress.ts'
import { Waiters } from '../../../src/bitswap/fetch/waiters.ts'
import { settlePromises } from '../../support/drive.ts'
import { cidOf } from '../support/messages.ts'
import { peerOf } from '../support/peers.ts'

const block = new Uint8Array([1])

function progressOf(cid: CID): FetchProgress {
  return progress('bitswap:block', { cid, sender: peerOf(1) })
}

function create() {
  const events: string[] = []
  const waiters = new Waiters(() => events.push('deserted'))
  const join = (name: string) => {
    const controller = new AbortController()
    const { signal } = controller
    const tell = (make: (cid: CID) => FetchProgress): void => {
      events.push(`${name} is told: ${make(cidOf(0)).type}`)
    }
    waiters.join({ signal, tell }).then(
      () => events.push(`${name} has it`),
      error => events.push(`${name} fails: ${error.message}`)
    )
    return controller
  }
  return { waiters, events, join }
}

test('all get the block, and are told before', async () => {
  const { waiters, events, join } = create()
  const signals = [join('one').signal, join('two').signal]
  waiters.resolve(waiters.list(), block, progressOf)
  await settlePromises()
  expect(events).toEqual([
    'one is told: bitswap:block',
    'two is told: bitswap:block',
    'one has it',
    'two has it'
  ])
  expect(signals.flatMap(signal => getEventListeners(signal, 'abort'))).toEqual([])
  expect(waiters.list()).toEqual([])
})

test('all hear why it ended', async () => {
  const { waiters, events, join } = create()
  const { signal } = join('one')
  join('two')
  waiters.reject(waiters.list(), new Error('stopped'))
  await settlePromises()
  expect(events).toEqual(['one fails: stopped', 'two fails: stopped'])
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('who gives up does so for himself; the last one ends it', async () => {
  const { waiters, events, join } = create()
  const controllers = [join('one'), join('two')]
  controllers[0]!.abort(new Error('enough'))
  await settlePromises()
  expect(events).toEqual(['one fails: enough'])
  waiters.tell(progressOf)
  expect(events.splice(1)).toEqual(['two is told: bitswap:block'])
  controllers[1]!.abort(new Error('me, too'))
  expect(events).toEqual(['one fails: enough', 'deserted'])
  await settlePromises()
  expect(events.at(-1)).toBe('two fails: me, too')
})

test('nobody has deserted who has got it', async () => {
  const { waiters, events, join } = create()
  const controller = join('one')
  waiters.resolve(waiters.list(), block, progressOf)
  controller.abort()
  await settlePromises()
  expect(events).toEqual(['one is told: bitswap:block', 'one has it'])
})
