import type { TLSSocket } from 'node:tls'
import { beforeEach, expect, test, vi } from 'vitest'
import { ChannelCrowd } from '../../../benchmarks/relay/channel-crowd.ts'
import { Authority } from '../../relay/support/certificates.ts'
import { echo, TestServer } from '../../relay/support/tls-server.ts'

const COUNT = 150

// Memory is not what is tested.
beforeEach(() => {
  vi.stubGlobal('gc', () => {})
})

async function serverOf(onConnection: (socket: TLSSocket) => void) {
  const authority = await Authority.create()
  const server = await TestServer.start(await authority.issue({ addresses: ['127.0.0.1'] }), onConnection)
  return { server, root: authority.certificate }
}

test('all channels are opened, used and closed, and tell what that took', async () => {
  const { server, root } = await serverOf(echo)
  await using _ = server
  const crowd = new ChannelCrowd(server.endpoint, root, COUNT)
  const opened = await crowd.open()
  expect(opened).toMatchObject({ channels: COUNT, errors: 0, mostHandshakes: 32 })
  expect(opened.handshakeMeanMs).toBeGreaterThan(0)
  expect(opened.meanMs).toBeGreaterThan(opened.handshakeMeanMs)
  expect(opened.tookMs).toBeGreaterThan(opened.meanMs)
  expect(await crowd.echo()).toMatchObject({ failed: 0, idle: COUNT })
  expect(crowd.close().errors).toBe(0)
  await server.empty()
})

test('a channel that does not send back what it was sent counts as failed', async () => {
  let connections = 0
  const { server, root } = await serverOf(socket => {
    const isBad = connections++ % 3 === 0
    socket.on('data', (bytes: Buffer) => {
      if (isBad && bytes.length === 64) bytes[63] = 1
      socket.write(bytes)
    })
  })
  await using _ = server
  const crowd = new ChannelCrowd(server.endpoint, root, COUNT)
  await crowd.open()
  expect((await crowd.echo()).failed).toBe(COUNT / 3)
  crowd.close()
})
