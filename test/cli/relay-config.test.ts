import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { parseDuration, writeDuration } from '../../src/cli/config/duration.ts'
import { RelayConfig } from '../../src/cli/config/relay-config.ts'
import { relayRequest } from '../../src/cli/relay/relay-request.ts'
import { memoryProtectionStatus } from '../../src/relay/secrets/secure-buffer.ts'
import { Authority } from '../relay/support/certificates.ts'

const SECRET = 'correct-horse-battery'

let folder: string
let path: string

beforeAll(async () => {
  const authority = await Authority.create()
  const { certificate, key } = await authority.issue({ names: ['client'] })
  folder = await mkdtemp(join(tmpdir(), 'relay-config-'))
  path = join(folder, 'relay.json')
  await mkdir(join(folder, 'folder'))
  const files = {
    'ca.pem': authority.certificate,
    'client.pem': certificate,
    'client.key': key,
    'other.key': (await authority.issue()).key,
    'no.pem': 'no certificate',
    'node.password': `${SECRET}\n`,
    empty: '',
    'long.pem': 'x'.repeat(2 ** 20 + 1)
  }
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
})

afterAll(() => rm(folder, { recursive: true }))

async function write(config: unknown): Promise<void> {
  await writeFile(path, typeof config === 'string' ? config : JSON.stringify(config))
}

/** What is wrong with it, without the name of the file. */
async function problemOf(config: unknown): Promise<string> {
  await write(config)
  const error: unknown = await tryOut().catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ name: 'ConfigError', exitCode: 2 })
  const { message } = error as Error
  expect(message.startsWith(`${path}: `)).toBe(true)
  expect(message).not.toContain(SECRET)
  return message.slice(path.length + 2)
}

async function tryOut(): Promise<void> {
  using config = await RelayConfig.read(path)
  await config.createChannel().close()
}

const nodes = { primaryNodes: ['127.0.0.1:1'] }
const FORM = "as a text: a number and its unit, such as '250ms', '30s', '5m' or '1h'"

describe('a config file', () => {
  test('may say all there is to say', async () => {
    await write({
      primaryNodes: [
        'https://node-a.example:8332/wallet/w',
        { address: 'http://127.0.0.1:8332', cookieFile: '.cookie' },
        { address: 'node-b.example:8332', username: 'me', password: SECRET, tls: { serverName: 'b' } }
      ],
      backupNodes: [
        {
          address: 'node-c.example:8332',
          username: 'me',
          passwordFile: 'node.password',
          tls: { roots: ['ca.pem'], pins: [`sha256/${'A'.repeat(43)}=`], connectTimeout: '1.5s' }
        }
      ],
      tls: {
        roots: 'system',
        certificateFile: 'client.pem',
        keyFile: 'client.key',
        alpnProtocols: ['http/1.1'],
        connectTimeout: '5s'
      },
      circuitBreaker: { failureThreshold: 5, successThreshold: 3, timeout: '30s', maxRequests: 10 },
      healthCheck: { interval: '5s', timeout: '3s', retries: 3, probeTimeout: '250ms' },
      shutdown: { drainTimeout: '60s', forceTimeout: '2m', preserveState: true, stateFile: 'relay.state' },
      requestTimeout: '10s',
      hedgeAfter: '250ms',
      maxRetries: 3,
      retryShare: 0.2,
      maxLagBlocks: 2,
      maxConnections: 8,
      allowLoopbackHttp: true,
      maxRequestsPerS: 100,
      maxNodeRequestsPerS: 50
    })
    const { secureBuffers } = await memoryProtectionStatus()
    {
      using config = await RelayConfig.read(path)
      const channel = config.createChannel()
      const { nodes } = channel.getStatus()
      expect(nodes.map(({ endpoint, role }) => `${endpoint} ${role}`)).toEqual([
        'node-a.example:8332 primary',
        '127.0.0.1:8332 primary',
        'node-b.example:8332 primary',
        'node-c.example:8332 backup'
      ])
      expect((await memoryProtectionStatus()).secureBuffers).toBe(secureBuffers + 2)
      await channel.close()
    }
    expect((await memoryProtectionStatus()).secureBuffers).toBe(secureBuffers)
  })

  test.each([
    ['', 'it is no JSON: Unexpected end of JSON input'],
    [
      `{\n"password": "${SECRET}"\n"tls": {}}`,
      "it is no JSON: Expected ',' or '}' after property value, line 3 column 1"
    ],
    [`{"password": ${SECRET}}`, "it is no JSON: Unexpected token 'c'"],
    ['[]', 'it is no object of JSON'],
    ['null', 'it is no object of JSON'],
    [' '.repeat(2 ** 20 + 1), 'it has 1048577 bytes; allowed: up to 1048576']
  ])('%.40j is refused', async (text, problem) => {
    expect(await problemOf(text)).toBe(problem)
  })

  test.each([
    ['missing.json', 'cannot be read: there is no such file'],
    ['folder', 'cannot be read: it is a directory'],
    ['empty/relay.json', 'cannot be read: a part of its path is no directory']
  ])('%s is refused', async (name, problem) => {
    const wrong = join(folder, name)
    await expect(RelayConfig.read(wrong)).rejects.toThrow(`${wrong}: ${problem}`)
  })

  test.each<[object, string]>([
    [{}, 'primaryNodes: got nothing; allowed: at least one node, and no more than 64 with the backup ones'],
    [
      { primaryNodes: [] },
      'primaryNodes: got an empty list; allowed: at least one node, and no more than 64 with the backup ones'
    ],
    [{ primaryNodes: 'a:1' }, "primaryNodes: got 'a:1'; allowed: a list of nodes"],
    [{ ...nodes, backupNodes: null }, 'backupNodes: got null; allowed: a list of nodes'],
    [{ ...nodes, backupNodes: ['127.0.0.1:1'] }, 'backupNodes: got a list; allowed: each node only once'],
    [
      { primaryNodes: [5] },
      'primaryNodes[0]: got 5; allowed: the address of a node, or an object with address, username, password, passwordFile, cookieFile, tls'
    ],
    [
      { primaryNodes: [{}] },
      "primaryNodes[0].address: got nothing; allowed: a text such as 'https://host:port/path'"
    ],
    [
      { primaryNodes: [{ address: 'a:1', user: 'me' }] },
      'unknown key primaryNodes[0].user; there are address, username, password, passwordFile, cookieFile, tls'
    ],
    [
      { primaryNodes: [{ address: 'a:1', pasword: SECRET }] },
      'unknown key primaryNodes[0].pasword; did you mean primaryNodes[0].password?'
    ],
    [
      { primaryNodes: [{ address: 'a:1', password: 5 }] },
      'primaryNodes[0].password: got (hidden); allowed: a text'
    ],
    [
      { primaryNodes: [{ address: 'a:1', password: SECRET, passwordFile: 'node.password' }] },
      "primaryNodes[0].passwordFile: got 'node.password'; allowed: nothing beside password"
    ],
    [
      { primaryNodes: [{ address: 'a:1', tls: { roots: ['no.pem'] } }] },
      "primaryNodes[0].tls.roots[0]: got 'no.pem'; allowed: a file with at least one certificate as PEM that can be read"
    ],
    [
      { primaryNodes: ['a:1', { address: 'b:1', tls: { pins: ['x'] } }] },
      "primaryNodes[1].tls.pins[0]: got 'x'; allowed: 'sha256/' and 44 characters of base64: the SHA-256 of a public key"
    ],
    [
      { ...nodes, tls: { pins: [] } },
      'tls.pins: got an empty list; allowed: a list of 1 to 16 pins, or nothing'
    ],
    [
      { ...nodes, tls: { roots: [] } },
      "tls.roots: got an empty list; allowed: 'system', or a list of files with certificates as PEM"
    ],
    [{ ...nodes, tls: { roots: [7] } }, 'tls.roots[0]: got 7; allowed: the name of a file'],
    [
      { ...nodes, tls: { roots: ['missing'] } },
      "tls.roots[0]: 'missing': cannot be read: there is no such file"
    ],
    [
      { ...nodes, tls: { roots: ['long.pem'] } },
      "tls.roots[0]: 'long.pem': it has 1048577 bytes; allowed: up to 1048576"
    ],
    [
      { ...nodes, tls: { certificateFile: 'client.pem' } },
      'tls.keyFile: got nothing; allowed: a private key as PEM, given along with its certificate, and with its passphrase if it is encrypted'
    ],
    [
      { ...nodes, tls: { certificateFile: 'client.pem', keyFile: 'other.key' } },
      "tls.keyFile: got 'other.key'; allowed: the key of the certificate"
    ],
    [
      { ...nodes, tls: { certificateFile: 'no.pem', keyFile: 'other.key' } },
      "tls.certificateFile: got 'no.pem'; allowed: a certificate as PEM, given along with its key"
    ],
    [{ ...nodes, tls: { keyFile: '' } }, "tls.keyFile: got ''; allowed: the name of a file"],
    [
      { ...nodes, tls: { connectTimeout: 5000 } },
      `tls.connectTimeout: got 5000, which has no unit; allowed: a duration from '1ms' to '8760h', ${FORM}`
    ],
    [{ ...nodes, tls: [] }, 'tls: got an empty list; allowed: an object'],
    [
      { ...nodes, healthCheck: { intervall: '5s' } },
      'unknown key healthCheck.intervall; did you mean healthCheck.interval?'
    ],
    [
      { ...nodes, healthCheck: { interval: 5 } },
      `healthCheck.interval: got 5, which has no unit; allowed: a duration from '100ms' to '8760h', ${FORM}`
    ],
    [
      { ...nodes, healthCheck: { interval: '5 s' } },
      `healthCheck.interval: got '5 s'; allowed: a duration from '100ms' to '8760h', ${FORM}`
    ],
    [
      { ...nodes, healthCheck: { interval: '50ms' } },
      `healthCheck.interval: got '50ms'; allowed: a duration from '100ms' to '8760h', ${FORM}`
    ],
    [
      { ...nodes, healthCheck: { retries: 0 } },
      'healthCheck.retries: got 0; allowed: a whole number from 1 to 1000'
    ],
    [
      { ...nodes, circuitBreaker: { failureThreshold: 0 } },
      'circuitBreaker.failureThreshold: got 0; allowed: a whole number from 1 to 1000000'
    ],
    [
      { ...nodes, circuitBreaker: { timeout: '-1s' } },
      `circuitBreaker.timeout: got '-1s'; allowed: a duration from '0ms' to '8760h', ${FORM}`
    ],
    [
      { ...nodes, circuitBreaker: { maxRequests: 'ten' } },
      "circuitBreaker.maxRequests: got 'ten'; allowed: a whole number from 0 to 2147483647"
    ],
    [
      { ...nodes, circuitBreaker: { maxRequests: 2, successThreshold: 3 } },
      'circuitBreaker.successThreshold: got 3; allowed: 0 to maxRequests (2)'
    ],
    [
      { ...nodes, shutdown: { preserveState: true } },
      'shutdown.stateFile: got nothing; allowed: the name of a file, as preserveState is true'
    ],
    [
      { ...nodes, shutdown: { preserveState: 'yes' } },
      "shutdown.preserveState: got 'yes'; allowed: true or false"
    ],
    [
      { ...nodes, shutdown: { drainTimeout: '5m' } },
      `shutdown.drainTimeout: got '5m'; allowed: no more than forceTimeout, '2m', ${FORM}`
    ],
    [
      { ...nodes, requestTimeout: '0s' },
      `requestTimeout: got '0s'; allowed: a duration from '1ms' to '8760h', ${FORM}`
    ],
    [{ ...nodes, maxRetries: 1.5 }, 'maxRetries: got 1.5; allowed: a whole number from 0 to 100'],
    [{ ...nodes, retryShare: 2 }, 'retryShare: got 2; allowed: a number from 0 to 1'],
    [
      { ...nodes, maxRequestsPerS: null },
      'maxRequestsPerS: got null; allowed: a whole number from 1 to 1000000'
    ],
    [{ ...nodes, maxretries: 3 }, 'unknown key maxretries; did you mean maxRetries?'],
    [
      { ...nodes, '\u001b[31m': 3 },
      expect.stringMatching(/^unknown key ; there are primaryNodes, backupNodes, /) as unknown as string
    ]
  ])('with %j says what is wrong', async (config, problem) => {
    expect(await problemOf(config)).toEqual(problem)
  })

  test.each([
    `https://me:${SECRET}@127.0.0.1:1/`,
    `me:${SECRET}@127.0.0.1:1`,
    `https://me:/${SECRET}@127.0.0.1:1/`
  ])('with a password in an address does not tell it', async address => {
    expect(await problemOf({ primaryNodes: [address] })).toMatch(/^primaryNodes\[0\]: got '\(hidden\)@127/)
    expect(await problemOf({ primaryNodes: [{ address }] })).toMatch(/^primaryNodes\[0\]/)
  })

  test.each(['missing', 'empty', 'folder'])('with a password in %s is refused', async name => {
    const problem = await problemOf({ primaryNodes: [{ address: 'a:1', passwordFile: name }] })
    expect(problem).toContain(
      `primaryNodes[0].passwordFile: Cannot read a secret from ${join(folder, name)}: `
    )
  })
})

describe('a channel', () => {
  test.each([
    [1, 'OPEN'],
    [2, 'CLOSED']
  ])('opens a circuit at failure %d, as its config says', async (failureThreshold, circuitState) => {
    // Nobody listens on that port.
    await write({ primaryNodes: ['127.0.0.1:9'], maxRetries: 0, circuitBreaker: { failureThreshold } })
    using config = await RelayConfig.read(path)
    const channel = config.createChannel()
    onTestFinished(() => channel.close())
    await expect(channel.getBlockHeight()).rejects.toThrow('nobody listens there')
    expect(channel.getStatus().nodes[0]).toMatchObject({ circuit: { circuitState } })
  })

  test.each([
    { hedgeAfter: '0ms' },
    { maxLagBlocks: -1 },
    { maxConnections: 0 },
    { maxNodeRequestsPerS: 0 },
    { healthCheck: { timeout: '0ms' } },
    { healthCheck: { probeTimeout: '0ms' } },
    { shutdown: { forceTimeout: '10000h' } },
    { circuitBreaker: { successThreshold: -1 } },
    { tls: { serverName: 5 } },
    { tls: { alpnProtocols: [''] } },
    { primaryNodes: [{ address: 'a:1', username: 5 }] }
  ])('is given %j', async wrong => {
    await expect(problemOf({ ...nodes, ...wrong })).resolves.toContain(': got ')
  })
})

describe('a duration', () => {
  test.each([
    ['250ms', 250],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['0s', 0]
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  test.each(['', '5', 's', '5 s', '-5s', '5S', '1e3s', '5sec', '1h30m', '.5s'])('%j is none', text => {
    expect(parseDuration(text)).toBeUndefined()
  })

  test.each([
    [250, '250ms'],
    [1_500, '1500ms'],
    [90_000, '90s'],
    [7_200_000, '2h'],
    [0, '0ms']
  ])('%d ms are written %s', (ms, text) => {
    expect(writeDuration(ms)).toBe(text)
  })
})

describe('arguments', () => {
  const given = { positionals: [], config: 'c.json', every: '1s', for: undefined }

  test('are read', () => {
    expect(relayRequest({ ...given, for: '2m' })).toEqual({
      configPath: 'c.json',
      everyMs: 1_000,
      forMs: 120_000
    })
  })

  test.each([
    [{ config: undefined }, 'which nodes? Name a config file: relay --config <file>'],
    [
      { config: undefined, positionals: ['c.json'] },
      "relay takes only options, but got 'c.json'; a config file goes after --config"
    ],
    [{ positionals: ['now'] }, "relay takes only options, but got 'now'"],
    [
      { every: '1' },
      "invalid --every '1': allowed is a duration from '100ms' to '1h': a number and its unit, such as '250ms', '30s', '5m' or '1h'"
    ],
    [
      { every: '50ms' },
      "invalid --every '50ms': allowed is a duration from '100ms' to '1h': a number and its unit, such as '250ms', '30s', '5m' or '1h'"
    ],
    [
      { for: '600h' },
      "invalid --for '600h': allowed is a duration from '100ms' to '480h': a number and its unit, such as '250ms', '30s', '5m' or '1h'"
    ]
  ])('%j are refused', (wrong, message) => {
    expect(() => relayRequest({ ...given, ...wrong })).toThrow(message)
  })
})
