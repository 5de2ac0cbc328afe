import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { ManualClock } from '../../../src/core/index.ts'
import { parseEndpoint } from '../../../src/relay/endpoint.ts'
import { LoopbackDialer } from '../../../src/relay/protocols/loopback-dialer.ts'

const never = new AbortController().signal

/** Somebody who listens on this machine, and how to call him. */
async function create() {
  const stack = new AsyncDisposableStack()
  const sockets: Socket[] = []
  const server = createServer(socket => sockets.push(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as { readonly port: number }
  stack.defer(async () => {
    for (const socket of sockets) socket.destroy()
    if (server.listening) await new Promise(resolve => server.close(resolve))
  })
  const clock = new ManualClock()
  const dialer = new LoopbackDialer(parseEndpoint(`127.0.0.1:${address.port}`), clock)
  return { clock, dialer, server, sockets, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

test('connects, in the clear', async () => {
  await using made = await create()
  const { socket, elapsedMs } = await made.dialer.dial(never)
  socket.end('PING')
  if (made.sockets.length === 0) await once(made.server, 'connection')
  expect(await once(made.sockets[0]!, 'data')).toEqual([Buffer.from('PING')])
  expect([elapsedMs, made.clock.pendingTimers]).toEqual([0, 0])
})

test('tells that nobody listens', async () => {
  await using made = await create()
  await new Promise(resolve => made.server.close(resolve))
  await expect(made.dialer.dial(never)).rejects.toMatchObject({ name: 'ConnectError', failure: 'REFUSED' })
  expect(made.clock.pendingTimers).toBe(0)
})

test('does not even begin for who has given up', async () => {
  await using made = await create()
  await expect(made.dialer.dial(AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
  await made.dialer.dial(never).then(({ socket }) => socket.destroy())
  expect(made.sockets).toHaveLength(1)
})

test('is given up', async () => {
  await using made = await create()
  const giveUp = new AbortController()
  const dialled = made.dialer.dial(giveUp.signal)
  giveUp.abort(new Error('enough'))
  await expect(dialled).rejects.toThrow('enough')
  expect(made.clock.pendingTimers).toBe(0)
})
