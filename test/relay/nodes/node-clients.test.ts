import { createPrivateKey } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { SecureChannel } from '../../../src/relay/nodes/secure-channel.ts'
import type { SecureChannelOptions } from '../../../src/relay/nodes/secure-channel-options.ts'
import { SecureBuffer } from '../../../src/relay/secrets/secure-buffer.ts'
import { Authority, type Identity } from '../support/certificates.ts'
import { RpcServer } from '../support/rpc-server.ts'
import { TestServer } from '../support/tls-server.ts'

let authority: Authority
let node: Identity

beforeAll(async () => {
  authority = await Authority.create()
  node = await authority.issue({ addresses: ['127.0.0.1'] })
})

const methods = { getblockcount: () => 7 }

function channelTo(
  primaryNodes: SecureChannelOptions['primaryNodes'],
  { tls, ...options }: Partial<SecureChannelOptions> = {}
): SecureChannel {
  return new SecureChannel({
    primaryNodes,
    tls: { roots: [authority.certificate], ...tls },
    allowLoopbackHttp: true,
    ...options
  })
}

test('HTTP/1.1 is what is offered, whatever else there is to offer', async () => {
  await using server = await RpcServer.start(node, methods, { ALPNProtocols: ['h2', 'http/1.1'] })
  await using channel = channelTo([server.endpoint], { tls: { alpnProtocols: ['h2'] } })
  expect(await channel.getBlockHeight()).toBe(7)
  expect(server.asked[0]!.response.req).toMatchObject({
    httpVersion: '1.1',
    socket: { alpnProtocol: 'http/1.1' }
  })
})

describe('a node without TLS', () => {
  test('is spoken to like any other', async () => {
    await using server = await RpcServer.startClear(methods)
    using password = await SecureBuffer.from(Buffer.from('secret'))
    const address = `http://${server.endpoint}/wallet/w`
    await using channel = channelTo([{ address, username: 'me', password }])
    await channel.start()
    expect(await channel.getBlockHeight()).toBe(7)
    expect(server.asked[0]).toMatchObject({
      path: '/wallet/w',
      headers: { authorization: `Basic ${btoa('me:secret')}`, host: server.endpoint }
    })
  })

  test('may have its password in a file that it writes anew', async () => {
    await using server = await RpcServer.startClear(methods)
    const folder = await mkdtemp(join(tmpdir(), 'cookie-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const cookieFile = join(folder, '.cookie')
    await using channel = channelTo([{ address: `http://${server.endpoint}`, cookieFile }], { maxRetries: 0 })
    await expect(channel.getBlockHeight()).rejects.toMatchObject({
      name: 'NoNodeError',
      errors: [{ name: 'CredentialsError', cause: { name: 'SecretFileError' } }]
    })
    expect(server.asked).toEqual([])
    for (const cookie of ['__cookie__:one', '__cookie__:another']) {
      await writeFile(cookieFile, cookie)
      await channel.start()
      expect(await channel.getBlockHeight()).toBe(7)
      expect(server.asked.at(-1)).toMatchObject({ headers: { authorization: `Basic ${btoa(cookie)}` } })
    }
    expect(channel.getStatus().nodes[0]).toMatchObject({ state: 'up' })
  })

  test('takes over from one that has it, and the other way round', async () => {
    await using clear = await RpcServer.startClear(methods)
    await using secure = await RpcServer.start(node, methods)
    for (const [dies, stays] of [
      ['http://127.0.0.1:1', secure.endpoint],
      ['127.0.0.1:1', `http://${clear.endpoint}`]
    ] as const) {
      await using channel = channelTo([dies, stays])
      for (let turn = 0; turn < 5; turn++) expect(await channel.getBlockHeight()).toBe(7)
    }
  })

  test('that is not there is told of', async () => {
    await using channel = channelTo(['http://127.0.0.1:1'], { maxRetries: 0 })
    await expect(channel.getBlockHeight()).rejects.toMatchObject({
      name: 'NoNodeError',
      errors: [{ name: 'ConnectError', failure: 'REFUSED' }]
    })
  })

  test('that expects TLS has not answered', async () => {
    await using server = await RpcServer.start(node, methods)
    await using channel = channelTo([`http://${server.endpoint}`], { maxRetries: 0 })
    await expect(channel.getBlockHeight()).rejects.toMatchObject({
      name: 'NoNodeError',
      errors: [{ name: 'BadReplyError' }]
    })
  })

  test('is not spoken to where TLS is asked for', async () => {
    const heard: Buffer[] = []
    await using server = await TestServer.raw(socket => {
      socket.on('data', bytes => heard.push(bytes))
    })
    const giveUp = new AbortController()
    await using channel = channelTo([{ address: server.endpoint, username: 'me', password: 'secret' }])
    const asked = channel.getBlockHeight({ signal: giveUp.signal })
    await server.connected(1)
    while (heard.length === 0) await new Promise(resolve => setTimeout(resolve, 2))
    giveUp.abort(new Error('enough'))
    await expect(asked).rejects.toThrow('enough')
    // A record of TLS that is a handshake (RFC 8446, section 5.1).
    expect(heard[0]![0]).toBe(22)
    expect(Buffer.concat(heard).toString('latin1')).not.toMatch(/POST|Basic/)
  })
})

describe('a client certificate', () => {
  test.each(['string', 'SecureBuffer'] as const)('has its key and passphrase as a %s', async kind => {
    await using server = await RpcServer.start(node, methods, {
      requestCert: true,
      rejectUnauthorized: true,
      ca: authority.certificate
    })
    const { certificate, key } = await authority.issue({ names: ['client.test'] })
    const encrypted = createPrivateKey(key)
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'open sesame' })
      .toString()
    using secrets = new DisposableStack()
    const asSecret = async (text: string) =>
      kind === 'string' ? text : secrets.use(await SecureBuffer.from(Buffer.from(text)))
    const identity = {
      certificate,
      key: await asSecret(encrypted),
      passphrase: await asSecret('open sesame')
    }
    await using channel = channelTo([server.endpoint], { tls: identity })
    // They are not needed any more.
    secrets.dispose()
    expect(await channel.getBlockHeight()).toBe(7)
  })
})
