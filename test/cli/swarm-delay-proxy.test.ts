import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { expect, onTestFinished, test, vi } from 'vitest'
import { makeBytes } from '../../src/cli/swarm/blocks.ts'
import { DelayProxy } from '../../src/cli/swarm/delay-proxy.ts'

const DELAY_MS = 40
const MEBIBYTE = 2 ** 20

/** Connects, by way of a proxy, to a server that does this with its connection. */
async function connectTo(serve: (socket: Socket) => void): Promise<Socket> {
  const server: Server = createServer({ allowHalfOpen: true }, serve).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = new DelayProxy(DELAY_MS)
  const port = await proxy.listen(0)
  proxy.forwardTo((server.address() as AddressInfo).port)
  const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  await once(client, 'connect')
  onTestFinished(() => {
    client.destroy()
    server.close()
  })
  return client
}

test('a round trip takes twice the delay', async () => {
  const client = await connectTo(socket => socket.pipe(socket))
  const startedAt = performance.now()
  client.write('there and back')
  await once(client, 'data')
  // Timers count whole milliseconds.
  expect(performance.now() - startedAt).toBeGreaterThan(2 * DELAY_MS - 2)
})

test('nothing is lost or out of order, also after one side has ended', async () => {
  const bytes = makeBytes({ seed: 1, sizeBytes: 9 * MEBIBYTE })
  const client = await connectTo(socket => socket.pipe(socket))
  client.end(bytes)
  expect((await buffer(client)).equals(bytes)).toBe(true)
})

test('many small pieces are delayed together, not one after the other', async () => {
  const client = await connectTo(socket => socket.pipe(socket))
  const startedAt = performance.now()
  for (let i = 0; i < 100; i++) client.write(new Uint8Array(1000))
  client.end()
  expect(await buffer(client)).toHaveLength(100_000)
  expect(performance.now() - startedAt).toBeLessThan(20 * DELAY_MS)
})

test('who sends to somebody that does not read has to wait', async () => {
  const accepted = Promise.withResolvers<Socket>()
  const client = await connectTo(accepted.resolve)
  const socket = (await accepted.promise).pause()
  const bytes = makeBytes({ seed: 2, sizeBytes: 64 * MEBIBYTE })
  for (let at = 0; at < bytes.length; at += MEBIBYTE / 16) {
    client.write(bytes.subarray(at, at + MEBIBYTE / 16))
  }
  client.end()
  let left = -1
  await vi.waitUntil(
    () => {
      const isStuck = left === client.writableLength
      left = client.writableLength
      return isStuck
    },
    { interval: 200, timeout: 5_000 }
  )
  // The rest is in the proxy, and in the buffers of the operating system.
  expect(left).toBeGreaterThan(32 * MEBIBYTE)
  expect((await buffer(socket)).equals(bytes)).toBe(true)
})

test('an end that breaks off takes the other one along', async () => {
  const accepted = Promise.withResolvers<Socket>()
  const client = await connectTo(accepted.resolve)
  const socket = await accepted.promise
  socket.resetAndDestroy()
  await expect(once(client, 'close')).rejects.toThrow('ECONNRESET')
})
