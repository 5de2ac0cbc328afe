import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { parseDuration } from '../../src/cli/config/duration.ts'
import type { Summary } from '../../src/cli/relay/display.ts'
import type { Happening } from '../../src/cli/relay/happening.ts'
import type { Snapshot } from '../../src/cli/relay/snapshot.ts'
import { defaultTripRule, presets } from '../../src/core/index.ts'
import {
  defaultHealthCheckOptions,
  defaultSecureChannelOptions,
  defaultShutdownOptions,
  defaultTlsOptions
} from '../../src/relay/index.ts'
import { Authority, type Identity } from '../relay/support/certificates.ts'
import { type Asked, answer, RpcServer } from '../relay/support/rpc-server.ts'
import { Program } from './support/program.ts'

// There may be much else to do for the machine, and processes take their time to start.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const POLLING = { timeout: 20_000, interval: 20 }

let authority: Authority
let identity: Identity

beforeAll(async () => {
  authority = await Authority.create()
  identity = await authority.issue({ addresses: ['127.0.0.1'] })
})

type Line =
  | ({ readonly type: 'event' } & Happening)
  | ({ readonly type: 'status' } & Snapshot)
  | ({ readonly type: 'summary' } & Summary)

/** The command `relay`. */
class Relay extends Program {
  constructor(...args: readonly string[]) {
    super('relay', ...args)
  }

  /** Of `--json`, as far as they are whole. */
  get lines(): Line[] {
    return this.stdout
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line) as Line)
  }

  get events(): string[] {
    return this.lines.flatMap(line => (line.type === 'event' ? line.event : []))
  }

  get status(): Snapshot | undefined {
    return this.lines.findLast(({ type }) => type === 'status') as Snapshot | undefined
  }

  /** The last line of all. */
  get summary(): Summary {
    const last = this.lines.at(-1)
    expect(last?.type).toBe('summary')
    return last as Summary
  }
}

/** A node whose chain is so high. */
async function startNode(height: number, port = 0): Promise<RpcServer> {
  const server = await RpcServer.start(identity, { uptime: () => 1, getblockcount: () => height }, { port })
  onTestFinished(() => server[Symbol.asyncDispose]().catch(() => {}))
  return server
}

/** So that no node is taken for gone since the machine has much else to do. */
const patient = { hedgeAfter: '5s', healthCheck: { probeTimeout: '3s' } }

/** Writes a config file to a folder of its own. */
async function configure(config: object, files: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'relay-command-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'relay.json')
  await writeFile(path, JSON.stringify({ tls: { roots: ['ca.pem'] }, ...patient, ...config }))
  for (const [name, content] of Object.entries({ 'ca.pem': authority.certificate, ...files }))
    await writeFile(join(folder, name), content)
  return path
}

describe('relay', () => {
  test('tells as JSON how a node goes and comes back, and sums up when it is ended', async () => {
    const primary = await startNode(100)
    const backup = await startNode(101)
    const { endpoint, port } = primary
    const config = await configure({ primaryNodes: [endpoint], backupNodes: [backup.endpoint] })
    const relay = new Relay('--config', config, '--every', '100ms', '--json')
    await expect.poll(() => relay.status?.requests, POLLING).toBeGreaterThan(2)
    expect(relay.status).toMatchObject({ isHealthy: true, isFailedOver: false, height: 101, failed: 0 })
    await primary[Symbol.asyncDispose]()
    await expect.poll(() => relay.events, POLLING).toEqual(['node:suspect', 'failover', 'node:down'])
    await expect.poll(() => relay.status?.nodes[0]?.state, POLLING).toBe('down')
    await startNode(102, port)
    await expect.poll(() => relay.events.slice(3), POLLING).toEqual(['node:up', 'failback'])
    await expect.poll(() => relay.status?.nodes[0]?.height, POLLING).toBe(102)
    relay.kill('SIGINT')
    expect(await relay.ended()).toEqual({ code: 0, stderr: '' })
    const { requests, failed, longestMs, failovers, exitCode, nodes } = relay.summary
    expect({ failed, failovers, exitCode }).toEqual({ failed: 0, failovers: 1, exitCode: 0 })
    expect(requests).toBeGreaterThan(5)
    expect(longestMs).toBeGreaterThan(0)
    expect(nodes).toMatchObject([
      { endpoint, role: 'primary', state: 'up', height: 102, outages: 1 },
      { endpoint: backup.endpoint, role: 'backup', state: 'up', height: 101, outages: 0, lastError: null }
    ])
    expect(nodes[0]!.connections).toBeGreaterThan(0)
    expect(nodes[0]!.lastError).toContain(endpoint)
    const told = relay.lines.find(line => line.type === 'event' && line.event === 'node:down')
    expect(told).toMatchObject({ endpoint, role: 'primary', error: expect.stringContaining(endpoint) })
  })

  test('ends by itself when its time is over, and tells all in words', async () => {
    const node = await startNode(100)
    const config = await configure({ primaryNodes: [`https://${node.endpoint}/`] })
    const relay = new Relay('-c', config, '-e', '100ms', '--for', '1s')
    expect(await relay.ended()).toEqual({ code: 0, stderr: '' })
    const [empty, sum, title, line, end] = relay.stdout.split('\n')
    expect([empty, end]).toEqual(['', ''])
    expect(sum).toMatch(
      /^1(\.\d)? s: 1 of 1 node up, height 100, \d+ requests, 0 failed, longest wait .+ ms, 0 failovers$/
    )
    expect(title).toMatch(/^node +role +state +height +response +connections +outages +last error$/)
    expect(line).toMatch(new RegExp(`^${node.endpoint} +primary +up +100 +\\d+ ms +\\d +0 +-`))
    expect(node.methods.filter(method => method === 'getblockcount').length).toBeGreaterThan(4)
  })

  test('asks as whom the config says, over TLS as it says for all nodes and for this one', async () => {
    const node = await startNode(100)
    const tls = { connectTimeout: '2s' }
    const config = await configure(
      { primaryNodes: [{ address: node.endpoint, username: 'me', passwordFile: 'password', tls }] },
      { password: 'secret\n' }
    )
    const relay = new Relay('-c', config, '--for', '500ms')
    expect(await relay.ended()).toEqual({ code: 0, stderr: '' })
    expect(node.asked[0]!.headers.authorization).toBe(`Basic ${btoa('me:secret')}`)
  })

  describe('when no node answers', () => {
    /** Nobody listens on that port. */
    const nobody = { primaryNodes: ['127.0.0.1:9'], maxRetries: 0 }

    test('ends as unreachable, and says why', async () => {
      const path = await configure(nobody)
      const relay = new Relay('-c', path, '--for', '1s', '-e', '200ms')
      const { code, stderr } = await relay.ended()
      expect(code).toBe(3)
      expect(stderr).toMatch(/^bitswap-protection: no node has answered in 1(\.\d)? s\n$/)
      expect(relay.stdout).toMatch(/^\d\d:\d\d:\d\d 127\.0\.0\.1:9 \(primary\) is suspect: Cannot connect/m)
      expect(relay.stdout).toMatch(/^\d\d:\d\d:\d\d requests FAIL: No node answers getblockcount: /m)
      expect(relay.stdout.match(/requests FAIL/g)).toHaveLength(1)
      expect(relay.stdout).toContain('nobody listens there')
    })

    test('tells that as JSON too, and only so', async () => {
      const path = await configure(nobody)
      const relay = new Relay('-c', path, '--for', '1s', '-e', '200ms', '--json')
      expect(await relay.ended()).toEqual({ code: 3, stderr: '' })
      const { exitCode, requests, failed, isHealthy } = relay.summary
      expect({ exitCode, isHealthy }).toEqual({ exitCode: 3, isHealthy: false })
      expect(failed).toBe(requests)
      expect(failed).toBeGreaterThan(0)
    })
  })

  describe('when it is ended while something is under way', () => {
    async function holding(): Promise<{ relay: Relay; held: Asked[]; node: RpcServer }> {
      const node = await startNode(100)
      const held: Asked[] = []
      const path = await configure({ primaryNodes: [node.endpoint], requestTimeout: '1h' })
      const relay = new Relay('-c', path, '-e', '100ms', '--json')
      await expect.poll(() => relay.status?.requests, POLLING).toBeGreaterThan(0)
      node.behaviour = asked => held.push(asked)
      await expect.poll(() => relay.status?.inFlight, POLLING).toBeGreaterThan(0)
      return { relay, held, node }
    }

    test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s waits for it', async signal => {
      const { relay, held, node } = await holding()
      relay.kill(signal)
      await expect.poll(() => relay.events, POLLING).toContain('draining')
      node.behaviour = answer
      held.forEach(answer)
      expect(await relay.ended()).toEqual({ code: 0, stderr: '' })
      expect(relay.summary).toMatchObject({ failed: 0, exitCode: 0, inFlight: 0 })
    })

    test.each([
      ['SIGINT', 130],
      ['SIGTERM', 143]
    ] as const)('a second %s does not', async (signal, exitCode) => {
      const { relay } = await holding()
      relay.kill(signal)
      await expect.poll(() => relay.events, POLLING).toContain('draining')
      relay.kill(signal)
      expect(await relay.ended()).toEqual({ code: exitCode, stderr: '' })
      expect(relay.lines.some(({ type }) => type === 'summary')).toBe(false)
    })
  })

  test('ends in silence when nobody reads it any more', async () => {
    const node = await startNode(100)
    const path = await configure({ primaryNodes: [node.endpoint] })
    const relay = new Relay('-c', path, '-e', '100ms', '--json')
    await expect.poll(() => relay.status, POLLING).toBeDefined()
    relay.stopReading()
    expect(await relay.ended()).toEqual({ code: 141, stderr: '' })
  })

  describe('with a state file', () => {
    const shutdown = { preserveState: true, stateFile: 'relay.state' }

    test('leaves a state beside the config, unless it is not to be preserved', async () => {
      const node = await startNode(100)
      const path = await configure({ primaryNodes: [node.endpoint], shutdown })
      const state = join(path, '../relay.state')
      expect(await new Relay('-c', path, '--for', '500ms').ended()).toEqual({ code: 0, stderr: '' })
      expect(JSON.parse(await readFile(state, 'utf8'))).toMatchObject({ version: 1 })
      const other = await configure({
        primaryNodes: [node.endpoint],
        shutdown: { ...shutdown, preserveState: false }
      })
      expect(await new Relay('-c', other, '--for', '500ms').ended()).toEqual({ code: 0, stderr: '' })
      await expect(access(join(other, '../relay.state'))).rejects.toThrow('ENOENT')
    })

    test('that is damaged ends as failed, and leaves it as it is', async () => {
      const node = await startNode(100)
      const path = await configure({ primaryNodes: [node.endpoint], shutdown }, { 'relay.state': 'damaged' })
      const state = join(path, '../relay.state')
      expect(await new Relay('-c', path, '--for', '5s').ended()).toEqual({
        code: 1,
        stderr: `bitswap-protection: State file ${state} cannot be used: it is no JSON\n`
      })
      expect(await readFile(state, 'utf8')).toBe('damaged')
    })

    test('that cannot be written says so', async () => {
      const node = await startNode(100)
      const path = await configure({ primaryNodes: [node.endpoint], shutdown })
      await mkdir(join(path, '../relay.state.new'))
      const { code, stderr } = await new Relay('-c', path, '--for', '500ms').ended()
      expect(code).toBe(5)
      expect(stderr).toMatch(/^bitswap-protection: the state could not be saved: EISDIR/)
    })
  })

  test.each([
    [[], 'which nodes? Name a config file: relay --config <file>'],
    [['--config'], 'option --config needs a value'],
    [['relay.json'], "relay takes only options, but got 'relay.json'; a config file goes after --config"],
    [['--confg', 'relay.json'], 'unknown option --confg; did you mean --config?'],
    [['--config', 'missing.json'], 'missing.json: cannot be read: there is no such file']
  ])('with %j is refused in one line', async (args, message) => {
    const relay = new Relay(...args)
    expect(await relay.ended()).toEqual({ code: 2, stderr: `bitswap-protection: ${message}\n` })
    expect(relay.stdout).toBe('')
  })

  test('shows a help whose config file is one, with the defaults', async () => {
    const relay = new Relay('--help')
    expect(await relay.ended()).toEqual({ code: 0, stderr: '' })
    for (const line of relay.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(110)
    const [sample] = /^ {2}\{$.+?^ {2}\}$/ms.exec(relay.stdout)!
    expect(inMs(JSON.parse(sample))).toMatchObject({
      tls: { connectTimeoutMs: defaultTlsOptions.connectTimeoutMs },
      circuitBreaker: {
        failureThreshold: defaultTripRule.consecutiveFailures,
        successThreshold: presets.relay.successThreshold,
        timeoutMs: presets.relay.timeoutMs,
        maxRequests: presets.relay.maxRequests
      },
      healthCheck: defaultHealthCheckOptions,
      shutdown: {
        drainTimeoutMs: defaultShutdownOptions.drainTimeoutMs,
        forceTimeoutMs: defaultShutdownOptions.forceTimeoutMs
      },
      requestTimeoutMs: defaultSecureChannelOptions.requestTimeoutMs,
      hedgeAfterMs: defaultSecureChannelOptions.hedgeAfterMs,
      maxRetries: defaultSecureChannelOptions.maxRetries,
      retryShare: defaultSecureChannelOptions.retryShare,
      maxLagBlocks: defaultSecureChannelOptions.maxLagBlocks,
      maxConnections: defaultSecureChannelOptions.maxConnections
    })
  })
})

/** Durations as the library has them. */
function inMs(config: object): object {
  const entries = Object.entries(config).map(([name, value]): [string, unknown] => {
    const ms = typeof value === 'string' ? parseDuration(value) : undefined
    if (ms !== undefined) return [`${name}Ms`, ms]
    const isObject = typeof value === 'object' && !Array.isArray(value)
    return [name, isObject ? inMs(value) : value]
  })
  return Object.fromEntries(entries)
}
