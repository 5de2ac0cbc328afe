import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { Front } from '../../../benchmarks/relay/front.ts'
import { TestServer } from '../../relay/support/tls-server.ts'

async function connected(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' })
  // Fronts break off what is left when a test ends.
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** What comes back for something that is said. */
async function echoOf(socket: Socket, text: string): Promise<string> {
  socket.write(text)
  const [bytes] = await once(socket, 'data')
  return String(bytes)
}

/** What a connection is broken off with. */
async function breaksOff(socket: Socket): Promise<string> {
  const error = await new Promise<NodeJS.ErrnoException>(resolve => socket.once('error', resolve))
  return error.code!
}

function echoServer(): Promise<TestServer> {
  return TestServer.raw(socket => socket.pipe(socket))
}

test('a front passes bytes on, both ways', async () => {
  await using server = await echoServer()
  await using front = await Front.start(server.port)
  expect(await echoOf(await connected(front.port), 'hello')).toBe('hello')
})

test('one that resets resets what stands, refuses what comes, and is on the same port when it is mended', async () => {
  await using server = await echoServer()
  await using front = await Front.start(server.port)
  const { port } = front
  const standing = await connected(port)
  await echoOf(standing, 'hello')
  const broken = breaksOff(standing)
  await front.setFault('reset')
  expect(await broken).toBe('ECONNRESET')
  await expect(connected(port)).rejects.toThrow('ECONNREFUSED')
  await server.empty()
  await front.setFault('none')
  expect(front.port).toBe(port)
  expect(await echoOf(await connected(port), 'again')).toBe('again')
})

test('one that is mute resets what stands, accepts what comes, and says nothing before it is mended', async () => {
  await using server = await echoServer()
  await using front = await Front.start(server.port)
  const standing = await connected(front.port)
  await echoOf(standing, 'hello')
  const broken = breaksOff(standing)
  await front.setFault('mute')
  expect(await broken).toBe('ECONNRESET')
  const held = await connected(front.port)
  const echo = echoOf(held, 'anybody?')
  // By then it would have been passed on.
  await using other = await Front.start(server.port)
  for (let time = 0; time < 10; time++) await echoOf(await connected(other.port), 'hello')
  expect(server.connections).toBe(1 + 10)
  expect(held.bytesRead).toBe(0)
  await front.setFault('none')
  expect(await echo).toBe('anybody?')
})

test.each([
  ['ends', (socket: Socket) => socket.end()],
  ['is reset', (socket: Socket) => socket.resetAndDestroy()]
])('a connection that %s does so at both ends', async (_, end) => {
  await using server = await echoServer()
  await using front = await Front.start(server.port)
  const socket = await connected(front.port)
  await echoOf(socket, 'hello')
  end(socket)
  await server.empty()
})
