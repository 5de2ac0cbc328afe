import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { printedConfig } from '../../src/cli/serve/printed-config.ts'
import { type ServeConfig, ServeConfigFile } from '../../src/cli/serve/serve-config.ts'
import { serveCommand } from '../../src/cli/serve-command.ts'
import { Authority } from '../relay/support/certificates.ts'

const TOKEN = 'correct-horse-battery-staple'
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const PEER = '/ip4/192.0.2.1/tcp/4001/p2p/12D3KooWGRUVh7kbKGnLVdUyUSLZKSRJFdQpSZQLyRUcFDYU5UYW'

let folder: string
let path: string

beforeAll(async () => {
  const authority = await Authority.create()
  const { certificate, key } = await authority.issue({ addresses: ['127.0.0.1'] })
  folder = await mkdtemp(join(tmpdir(), 'serve-config-'))
  path = join(folder, 'config.json')
  const files = {
    'ca.pem': authority.certificate,
    'server.pem': certificate,
    'server.key': key,
    token: `${TOKEN}\n`,
    'short-token': 'short',
    'webhook.secret': SECRET,
    'node.password': TOKEN
  }
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
})

afterAll(() => rm(folder, { recursive: true }))

async function read(document: unknown): Promise<ServeConfig> {
  await writeFile(path, JSON.stringify(document))
  using file = await ServeConfigFile.read(path)
  return file.config
}

/** As it is printed, once it has been read. */
async function print(document: object): Promise<object> {
  await read(document)
  return JSON.parse(printedConfig(document as Record<string, unknown>)) as object
}

/** What is wrong with it, without the name of the file. */
async function problemOf(document: unknown): Promise<string> {
  const error: unknown = await read(document).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ name: 'ConfigError', exitCode: 2 })
  const { message } = error as Error
  expect(message.startsWith(`${path}: `)).toBe(true)
  expect(message).not.toMatch(/correct-horse|whsec_Bw/)
  return message.slice(path.length + 2)
}

describe('a config of a daemon', () => {
  test('is as by default if it says nothing', async () => {
    const nothing = await read({})
    expect(nothing).toEqual({
      directory: undefined,
      node: { listen: ['/ip4/127.0.0.1/tcp/0'], peers: [], maxStoredBytes: 10_000_000_000 },
      protection: {},
      relays: [],
      pools: [],
      server: {},
      alerts: {},
      webhooks: { urls: {} },
      audit: undefined,
      history: {},
      shutdown: { drainTimeoutMs: 60_000, forceTimeoutMs: 120_000 }
    })
    using file = await ServeConfigFile.read(undefined)
    expect(file.config).toEqual(nothing)
  })

  test('says all there is to say, with durations as people write them', async () => {
    const config = await read({
      directory: 'state',
      node: { listen: ['/ip4/127.0.0.1/tcp/4001'], peers: [PEER] },
      protection: {
        mode: 'observe',
        openWait: '1s',
        circuitBreaker: { failureThreshold: 3, timeout: '30s' },
        health: { checkInterval: '10s' },
        recovery: { strategy: 'LINEAR', recoveryInterval: '5s' },
        inbound: { burst: '8s' }
      },
      relays: [{ primaryNodes: ['127.0.0.1:1'], namespace: 'btc', shutdown: { drainTimeout: '1s' } }],
      pools: [
        { endpoint: 'node.example:443', minIdle: 2, cleanupInterval: '1m', tls: { roots: ['ca.pem'] } }
      ],
      server: {
        port: 8080,
        authTokenFile: 'token',
        requestTimeout: '5s',
        tls: { certificateFile: 'server.pem', keyFile: 'server.key', clientAuthoritiesFile: 'ca.pem' }
      },
      alerts: { averageLatency: '250ms', connectionFailureRate: false, bitswap: { averageAnswer: false } },
      webhooks: { failover: 'https://ops.example/f', secretFile: 'webhook.secret', timeout: '3s' },
      audit: { maxFiles: 3 },
      history: { interval: '1m' },
      shutdown: { drainTimeout: '5s', forceTimeout: '10s', notifyWebhook: 'https://ops.example/s' }
    })
    const directory = join(folder, 'state')
    expect(config).toMatchObject({
      directory,
      node: { listen: ['/ip4/127.0.0.1/tcp/4001'], peers: [PEER] },
      protection: {
        mode: 'observe',
        openWaitMs: 1_000,
        breaker: { timeoutMs: 30_000 },
        health: { checkIntervalMs: 10_000 },
        recovery: { strategy: 'LINEAR', recoveryIntervalMs: 5_000 },
        inbound: { burstMs: 8_000 }
      },
      relays: [
        {
          namespace: 'btc',
          shutdown: {
            drainTimeoutMs: 1_000,
            forceTimeoutMs: 10_000,
            stateFile: join(directory, 'relay-0.state')
          }
        }
      ],
      pools: [{ endpoint: 'node.example:443', options: { minIdle: 2, cleanupIntervalMs: 60_000 } }],
      server: { port: 8_080, authToken: TOKEN, requestTimeoutMs: 5_000 },
      alerts: { averageLatencyMs: 250, connectionFailureRate: false, bitswap: { averageAnswerMs: false } },
      webhooks: {
        urls: { failover: 'https://ops.example/f', shutdown: 'https://ops.example/s' },
        secret: SECRET,
        timeoutMs: 3_000,
        deadLetterFile: join(directory, 'dead-letters.jsonl')
      },
      audit: { file: join(directory, 'audit.jsonl'), maxFiles: 3 },
      history: { intervalMs: 60_000 },
      shutdown: { drainTimeoutMs: 5_000, forceTimeoutMs: 10_000 }
    })
    expect(config.server.tls?.clientAuthorities).toContain('BEGIN CERTIFICATE')
  })

  test('can do without a node, and without an audit log', async () => {
    const config = await read({ directory: '.', node: false, audit: false })
    expect([config.node, config.audit]).toEqual([undefined, undefined])
  })

  test.each<[document: object, problem: string]>([
    [{ sever: {} }, 'unknown key sever; did you mean server?'],
    [{ server: { prt: 1 } }, 'unknown key server.prt; did you mean server.port?'],
    [{ server: { port: 99_999 } }, 'server.port: got 99999; allowed: a whole number from 0 to 65535'],
    [{ server: { requestTimeout: 5 } }, 'server.requestTimeout: got 5, which has no unit'],
    [{ server: { host: '0.0.0.0' } }, "server.host: got '0.0.0.0'; allowed: 127.0.0.1"],
    [{ server: { authTokenFile: 'short-token' } }, 'server.authToken: got '],
    [{ server: { authToken: TOKEN, authTokenFile: 'token' } }, 'server.authTokenFile: got '],
    [{ server: { tls: { keyFile: 'server.key' } } }, 'server.tls.certificateFile: got nothing'],
    [
      { server: { tls: { certificateFile: 'server.pem', keyFile: 'no' } } },
      "server.tls.keyFile: 'no': cannot be read"
    ],
    [{ node: { listen: ['nonsense'] } }, "node.listen[0]: got 'nonsense'; allowed: a multiaddr such as"],
    [{ node: { peers: ['/ip4/192.0.2.1/tcp/1'] } }, "node.peers[0]: got '/ip4/192.0.2.1/tcp/1'; allowed: "],
    [
      { node: { maxStoredBytes: 1 } },
      'node.maxStoredBytes: got 1; allowed: a whole number from 16777216 to '
    ],
    [{ node: { maxStoredBytes: null } }, 'node.maxStoredBytes: got null; allowed: a whole number from '],
    [
      { node: { maxStoredBytes: '10 GB' } },
      "node.maxStoredBytes: got '10 GB'; allowed: a whole number from "
    ],
    [{ node: 7 }, 'node: got 7; allowed: an object'],
    [{ protection: { mode: 'on' } }, "protection.mode: got 'on'; allowed: "],
    [
      { protection: { circuitBreaker: { failureThreshold: 0 } } },
      'protection.circuitBreaker.failureThreshold: got 0'
    ],
    [
      { protection: { recovery: { recoveryInterval: '-1s' } } },
      "protection.recovery.recoveryInterval: got '-1s'"
    ],
    [{ protection: { inbound: { missCost: 'x' } } }, "protection.inbound.missCost: got 'x'"],
    [{ relays: {} }, 'relays: got an object; allowed: a list'],
    [{ relays: [{}] }, 'relays[0].primaryNodes: got nothing'],
    [{ relays: [{ primaryNodes: ['nonsense'] }] }, 'relays[0].primaryNodes[0]'],
    [
      { relays: [{ primaryNodes: ['a:1'], circuitBreaker: { timeout: 'x' } }] },
      "relays[0].circuitBreaker.timeout: got 'x'"
    ],
    [
      { relays: [{ primaryNodes: ['a:1'], healthChek: {} }] },
      'unknown key relays[0].healthChek; did you mean relays[0].healthCheck?'
    ],
    [{ pools: [{}] }, 'pools[0].endpoint: got nothing; allowed: host:port'],
    [{ pools: [{ endpoint: 'a:1', minIdle: -1 }] }, 'pools[0].minIdle: got -1'],
    [{ pools: [{ endpoint: 'a:1', probe: 1 }] }, 'unknown key pools[0].probe'],
    [{ pools: [{ endpoint: 'a:1', tls: { roots: ['token'] } }] }, 'pools[0].tls.roots[0]'],
    [{ alerts: { averageLatency: 'x' } }, "alerts.averageLatency: got 'x'"],
    [{ alerts: { bitswap: { openCircuitShare: 2 } } }, 'alerts.bitswap.openCircuitShare: got 2'],
    [{ webhooks: { failover: 'http://example.org' } }, "webhooks.failover: got 'http://example.org'"],
    [{ webhooks: { secret: 'x' } }, 'webhooks.secret: got (hidden)'],
    [{ audit: {} }, 'audit.file: got nothing; allowed: the name of a file, as there is no directory'],
    [{ directory: '.', audit: { maxBytes: 1 } }, 'audit.maxBytes: got 1'],
    [{ history: { maxPoints: 1 } }, 'history.maxPoints: got 1'],
    [{ shutdown: { drainTimeout: '3m' } }, "shutdown.drainTimeout: got '3m'"]
  ])('%j is refused', async (document, problem) => {
    expect(await problemOf(document)).toContain(problem)
  })
})

describe('the config that is printed', () => {
  test('has everything, and can be read again', async () => {
    const printed = await print({})
    expect(printed).toMatchObject({
      node: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      protection: {
        mode: 'enforce',
        openWait: '400ms',
        circuitBreaker: { failureThreshold: 5, successThreshold: 3, timeout: '1m', maxRequests: 10 },
        health: { checkInterval: '30s' }
      },
      server: { host: '127.0.0.1', port: 9_090, requestTimeout: '10s' },
      alerts: { averageLatency: '500ms' },
      webhooks: { timeout: '10s' },
      audit: false,
      history: { interval: '10s' },
      shutdown: { drainTimeout: '1m', forceTimeout: '2m' }
    })
    expect(await print(printed)).toEqual(printed)
  })

  test('means the same as what was left out', async () => {
    const document = {
      directory: 'state',
      relays: [{ primaryNodes: ['a:1'], circuitBreaker: { failureThreshold: 7 } }],
      pools: [{ endpoint: 'b:1', tls: { roots: ['ca.pem'] } }],
      webhooks: { failover: 'https://ops.example/f' },
      alerts: { bitswap: { averageAnswer: '1s' } }
    }
    const printed = await print(document)
    expect(printed).toMatchObject({
      ...document,
      relays: [{ ...document.relays[0], circuitBreaker: { failureThreshold: 7, timeout: '30s' } }],
      pools: [{ endpoint: 'b:1', maxConnections: 100 }],
      audit: { maxFiles: 10 },
      alerts: { averageLatency: '500ms', bitswap: { averageAnswer: '1s', openCircuitShare: 0.5 } }
    })
    expect(await print(printed)).toEqual(printed)
  })

  test('has no secrets', async () => {
    const document = {
      relays: [{ primaryNodes: [{ address: 'a:1', username: 'me', password: TOKEN }] }],
      server: { authToken: TOKEN },
      webhooks: { secret: SECRET }
    }
    await read(document)
    const printed = printedConfig(document)
    expect(printed).not.toMatch(/correct-horse|whsec_/)
    expect(printed.match(/\(hidden\)/g)).toHaveLength(3)
  })
})

test('the help names every section, and its defaults are the real ones', async () => {
  const { help } = serveCommand
  const example = help.slice(help.indexOf('  {'), help.indexOf('\n  }') + 4)
  const document = JSON.parse(example) as Record<string, Record<string, unknown>>
  expect(Object.keys(document)).toHaveLength(11)
  const { alerts, audit, history, shutdown, server, node, protection } = document
  const { authTokenFile: _token, tls: _tls, ...serverDefaults } = server!
  const { peers: _peers, ...nodeDefaults } = node!
  const { circuitBreaker, ...protectionDefaults } = protection!
  expect(await print({ directory: '.' })).toMatchObject({
    alerts,
    audit,
    history,
    server: serverDefaults,
    node: nodeDefaults,
    protection: { ...protectionDefaults, circuitBreaker: { failureThreshold: 5, timeout: '1m' } }
  })
  expect(circuitBreaker).toEqual({ failureThreshold: 5, timeout: '60s' })
  expect(shutdown).toEqual({ drainTimeout: '60s', forceTimeout: '120s' })
  expect(help.split('\n').filter(line => line.length > 110)).toEqual([])
})
