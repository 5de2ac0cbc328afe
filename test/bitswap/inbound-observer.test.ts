import type { StreamHandlerRecord } from '@libp2p/interface'
import { expect, test } from 'vitest'
import { InboundObserver } from '../../src/bitswap/inbound-observer.ts'
import { BITSWAP, BITSWAP_PROTOCOLS, PING } from '../../src/bitswap/protocols.ts'
import { FakeConnection, FakeRegistrar } from './support/node.ts'
import { peerOf } from './support/peers.ts'
import { openPair } from './support/streams.ts'

async function create(handler: StreamHandlerRecord['handler'] = () => {}) {
  const registrar = new FakeRegistrar()
  for (const protocol of [...BITSWAP_PROTOCOLS, PING]) await registrar.handle(protocol, handler)
  const seen: unknown[][] = []
  const observer = new InboundObserver(registrar, (...args) => {
    seen.push(args)
  })
  observer.start()
  const [stream] = await openPair()
  return { registrar, observer, seen, stream, connection: new FakeConnection(peerOf(1)) }
}

test.each(BITSWAP_PROTOCOLS)('shows a stream of %s, then has it handled', async protocol => {
  const order: string[] = []
  const { registrar, seen, stream, connection } = await create((...args) => {
    order.push(`handled ${seen.length}`)
    handled.push(args)
  })
  const handled: unknown[][] = []
  await registrar.getHandler(protocol).handler(stream, connection)
  expect(seen).toEqual([[stream, connection]])
  expect(handled).toEqual([[stream, connection]])
  expect(order).toEqual(['handled 1'])
})

test('leaves the options of the handler as they are', async () => {
  const { registrar } = await create()
  expect(registrar.getHandler(BITSWAP).options).toBe(registrar.handlers.get(BITSWAP)!.options)
})

test('hands on what the handler returns, and what it throws', async () => {
  const done = Promise.resolve()
  const failure = new Error('no')
  const { registrar, stream, connection } = await create(() => done)
  expect(registrar.getHandler(BITSWAP).handler(stream, connection)).toBe(done)
  const { registrar: failing } = await create(() => {
    throw failure
  })
  expect(() => failing.getHandler(BITSWAP).handler(stream, connection)).toThrow(failure)
})

test('a stream that is aborted when it is shown is not handled', async () => {
  const registrar = new FakeRegistrar()
  let handled = 0
  await registrar.handle(BITSWAP, () => {
    handled++
  })
  new InboundObserver(registrar, stream => stream.abort(new Error('too much'))).start()
  const [stream] = await openPair()
  registrar.getHandler(BITSWAP).handler(stream, new FakeConnection(peerOf(1)))
  expect(handled).toBe(0)
})

test('does not touch other protocols', async () => {
  const { registrar } = await create()
  expect(registrar.getHandler(PING)).toBe(registrar.handlers.get(PING))
})

test('knows of no handler where there is none', async () => {
  const { registrar } = await create()
  registrar.handlers.clear()
  expect(() => registrar.getHandler(BITSWAP)).toThrow('No handler registered')
})

test('shows streams of a handler that is registered later', async () => {
  const { registrar, seen, stream, connection } = await create()
  await registrar.handle(BITSWAP, () => {})
  await registrar.getHandler(BITSWAP).handler(stream, connection)
  expect(seen).toHaveLength(1)
})

test('stopped, it is gone', async () => {
  const { registrar, observer } = await create()
  observer.stop()
  expect(Object.hasOwn(registrar, 'getHandler')).toBe(false)
  expect(registrar.getHandler(BITSWAP)).toBe(registrar.handlers.get(BITSWAP))
})
