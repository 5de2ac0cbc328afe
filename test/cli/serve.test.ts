import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Block, makeBlocks } from '../../src/cli/swarm/blocks.ts'
import { Swarm } from '../../src/cli/swarm/swarm.ts'
import { ManagementClient } from '../../src/management/client/index.ts'
import { Authority, type Identity } from '../relay/support/certificates.ts'
import { RpcServer } from '../relay/support/rpc-server.ts'
import { main, Program } from './support/program.ts'

// There may be much else to do for the machine, and processes take their time to start.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 })

const POLLING = { timeout: 30_000, interval: 50 }
const TOKEN = 'correct-horse-battery-staple'

let authority: Authority
let identity: Identity

beforeAll(async () => {
  authority = await Authority.create()
  identity = await authority.issue({ addresses: ['127.0.0.1'] })
})

/** The command `serve`. */
class Daemon extends Program {
  constructor(config: string) {
    super('serve', '--config', config)
  }

  /** Where its server listens, once it does. */
  async url(): Promise<string> {
    await expect.poll(() => this.stdout, POLLING).toContain('To look and steer')
    return /http\S+/.exec(this.stdout.slice(this.stdout.indexOf('To look')))![0]
  }

  /** Where peers can dial it. */
  get address(): string {
    return /\/ip4\S+/.exec(this.stdout)![0]
  }
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'serve-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function configure(config: object): Promise<{ path: string; folder: string }> {
  const folder = await newFolder()
  const path = join(folder, 'config.json')
  await writeFile(join(folder, 'ca.pem'), authority.certificate)
  await writeFile(path, JSON.stringify(config))
  return { path, folder }
}

async function entriesOf(folder: string): Promise<Array<Record<string, unknown>>> {
  const log = await readFile(join(folder, 'state/audit.jsonl'), 'utf8')
  return log
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>)
}

/** A receiver of webhooks. */
async function startReceiver() {
  const received: Array<{ path: string; type: string; data: Record<string, unknown> }> = []
  const secret = `whsec_${randomBytes(32).toString('base64')}`
  const server = createServer(async (request, response) => {
    const body = await text(request)
    // Throws unless the signature is right.
    new Webhook(secret).verify(body, request.headers as Record<string, string>)
    received.push({ path: request.url, ...JSON.parse(body) })
    response.end()
  })
  await new Promise<void>(listening => server.listen(0, '127.0.0.1', listening))
  onTestFinished(() => {
    server.close()
  })
  return { received, secret, url: `http://127.0.0.1:${(server.address() as { port: number }).port}` }
}

describe('a daemon', () => {
  test('runs without a config, is seen, and ends with Ctrl-C', async () => {
    // Not at its usual port, that somebody else may have.
    const { path } = await configure({ server: { port: 0 } })
    const daemon = new Daemon(path)
    const url = await daemon.url()
    const client = new ManagementClient({ url })
    expect((await client.getStatus()).value).toMatchObject({ status: 'ok', bitswap: { mode: 'enforce' } })
    expect((await client.getPeers()).value.total).toBe(0)
    expect((await client.getMetrics()).value).toContain('bitswap_protection_')
    await expect(client.setMode('off')).rejects.toMatchObject({ code: 'FORBIDDEN' })
    expect(daemon.address).toMatch(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/12D3/)
    daemon.kill('SIGINT')
    const { code, stderr, stdout } = await daemon.finished()
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('There is no token: everybody on this machine may look, and nobody steer')
  })

  test('fetches blocks of its peers, keeps them, and is the same node after a restart', async () => {
    await using swarm = await Swarm.start([{ name: 'peer' }])
    const request = { seed: 1, count: 1, sizeBytes: 1_000 }
    await swarm.peer('peer').addBlocks(request)
    const [{ cid, bytes }] = (await makeBlocks(request)) as [Block]
    const peers = swarm.peers.map(peer => peer.multiaddr)
    const { path } = await configure({
      directory: 'state',
      node: { peers },
      server: { port: 0, authToken: TOKEN }
    })
    const first = new Daemon(path)
    const headers = { 'x-auth-token': TOKEN }
    const fetched = await fetch(`${await first.url()}/ipfs/${cid}`, { headers })
    expect([fetched.status, fetched.headers.get('content-type')]).toEqual([200, 'application/vnd.ipld.raw'])
    expect(new Uint8Array(await fetched.arrayBuffer())).toEqual(bytes)
    expect((await fetch(`${await first.url()}/ipfs/${cid}`)).status).toBe(401)
    expect((await fetch(`${await first.url()}/ipfs/nonsense`, { headers })).status).toBe(400)
    const metrics = await fetch(`${await first.url()}/metrics`, { headers })
    expect(await metrics.text()).toContain('bitswap_protection_wants_total{result="answered"} 1')
    const id = first.address.split('/p2p/')[1]
    first.kill('SIGTERM')
    expect((await first.finished()).code).toBe(0)
    await swarm[Symbol.asyncDispose]()
    const second = new Daemon(path)
    const kept = await fetch(`${await second.url()}/ipfs/${cid}`, { headers })
    expect(new Uint8Array(await kept.arrayBuffer())).toEqual(bytes)
    expect(second.address).toContain(id)
    second.kill('SIGTERM')
    await second.finished()
  })

  test('tells of nodes that go and come back: by status, webhooks, audit log and report', async () => {
    const answers = { uptime: () => 1, getblockcount: () => 100 }
    const primary = await RpcServer.start(identity, answers)
    const backup = await RpcServer.start(identity, answers)
    onTestFinished(() => backup[Symbol.asyncDispose]())
    const receiver = await startReceiver()
    const { path, folder } = await configure({
      directory: 'state',
      node: false,
      relays: [
        {
          namespace: 'btc',
          primaryNodes: [primary.endpoint],
          backupNodes: [backup.endpoint],
          tls: { roots: ['ca.pem'] },
          healthCheck: { interval: '200ms', timeout: '2s', retries: 1, probeTimeout: '2s' }
        }
      ],
      server: { port: 0 },
      webhooks: {
        secret: receiver.secret,
        ...Object.fromEntries(
          ['failover', 'recovery', 'degraded', 'shutdown'].map(type => [type, `${receiver.url}/${type}`])
        )
      }
    })
    const daemon = new Daemon(path)
    const url = await daemon.url()
    const ready = async (): Promise<number> => (await fetch(`${url}/ready`)).status
    const types = (): string[] => receiver.received.map(({ type }) => type)
    await expect.poll(ready, POLLING).toBe(200)
    const { endpoint, port } = primary
    await primary[Symbol.asyncDispose]()
    await expect.poll(types, POLLING).toContain('failover')
    const again = await RpcServer.start(identity, answers, { port })
    onTestFinished(() => again[Symbol.asyncDispose]())
    await expect.poll(types, POLLING).toContain('recovery')
    expect(receiver.received.find(({ type }) => type === 'failover')).toMatchObject({
      path: '/failover',
      data: { endpoint, role: 'primary' }
    })
    daemon.kill('SIGTERM')
    expect((await daemon.finished()).code).toBe(0)
    expect(types().at(-1)).toBe('shutdown')
    const log = await entriesOf(folder)
    expect(log.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['daemon:start', 'node:down', 'failover', 'node:up', 'failback', 'daemon:stop'])
    )
    expect((await stat(join(folder, 'state/audit.jsonl'))).mode & 0o777).toBe(0o600)

    const report = new Program('report', join(folder, 'state/audit.jsonl'), '--json')
    const { code, stdout } = await report.finished()
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      process: { starts: 1, share: 1 },
      failovers: { count: 1 },
      services: [{ name: 'btc', endpoints: [endpoint, backup.endpoint] }],
      lost: 0,
      unreadable: 0
    })
    const forPeople = await new Program('report', join(folder, 'state/audit.jsonl')).finished()
    expect(forPeople.stdout).toMatch(new RegExp(`btc: ${endpoint}, ${backup.endpoint}: \\d+(\\.\\d+)? %`))
    expect(forPeople.stdout).toContain('1 failover')
  })

  test('says that it is not ready while it ends, and ends at once at a second signal', async () => {
    // Takes webhooks, and never answers: the end waits for that.
    const silent = createServer(() => {})
    await new Promise<void>(listening => silent.listen(0, '127.0.0.1', listening))
    onTestFinished(() => {
      silent.close()
      silent.closeAllConnections()
    })
    const url = `http://127.0.0.1:${(silent.address() as { port: number }).port}`
    const { path } = await configure({ node: false, server: { port: 0 }, webhooks: { shutdown: url } })
    const daemon = new Daemon(path)
    await daemon.url()
    const told = once(silent, 'request')
    daemon.kill('SIGTERM')
    await told
    daemon.kill('SIGTERM')
    expect((await daemon.finished()).code).toBe(143)
  })

  test('does not start at a port that is taken, and leaves nothing', async () => {
    const { path: first } = await configure({ node: false, server: { port: 0 } })
    const daemon = new Daemon(first)
    const port = Number(new URL(await daemon.url()).port)
    const { path } = await configure({ server: { port } })
    const second = await new Daemon(path).finished()
    expect(second).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^bitswap-protection: cannot start: the port is taken: .*\n$/)
    })
    daemon.kill('SIGTERM')
    await daemon.finished()
  })
})

describe('a daemon that cannot start says why', () => {
  test.each<[what: string, config: object, message: RegExp, files?: Record<string, string>]>([
    [
      'an address that is not of this computer',
      { node: { listen: ['/ip4/203.0.113.7/tcp/4001'] } },
      /^bitswap-protection: cannot start: it cannot listen at \/ip4\/203\.0\.113\.7\/tcp\/4001: listen EADDRNOTAVAIL.*\n$/
    ],
    [
      'a directory that is none',
      { directory: 'ca.pem/state' },
      /^bitswap-protection: cannot start: a part of its path is no directory: .*\n$/
    ],
    [
      'a key that is none',
      { directory: 'state' },
      /state\/node\/peer\.key is not the key of a peer; without it the node gets another one\n$/,
      { 'state/node/peer.key': 'nonsense' }
    ],
    [
      'a state that is none',
      { directory: 'state', relays: [{ primaryNodes: ['127.0.0.1:1'] }] },
      /relay-0\.state cannot be used: it is no JSON\n$/,
      { 'state/relay-0.state': '{nonsense' }
    ]
  ])('%s', async (_, config, message, files = {}) => {
    const { path, folder } = await configure({ server: { port: 0 }, ...config })
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true })
      await writeFile(join(folder, name), content)
    }
    const { code, stderr } = await new Daemon(path).finished()
    expect(code).toBe(1)
    expect(stderr).toMatch(message)
  })
})

describe('serve', () => {
  test.each([
    [['extra'], "serve takes only options, but got 'extra'; a config file goes after --config"],
    [['--config', '/no/such/file'], '/no/such/file: cannot be read: there is no such file'],
    [['--prnt-config'], 'unknown option --prnt-config; did you mean --print-config?']
  ])('%j is refused', async (args, message) => {
    const { code, stderr } = await new Program('serve', ...args).finished()
    expect({ code, stderr }).toEqual({ code: 2, stderr: `bitswap-protection: ${message}\n` })
  })

  test('prints its config', async () => {
    const { code, stdout } = await new Program('serve', '--print-config').finished()
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ server: { port: 9_090 } })
  })
})

describe('report', () => {
  test.each([
    [[], 2, 'which audit log? Name one file: report <audit.jsonl>'],
    [['/no/such/log'], 1, 'cannot read /no/such/log'],
    [[main, '--since', 'yesterday'], 2, "invalid --since 'yesterday'"]
  ])('%j is refused', async (args, code, message) => {
    const ended = await new Program('report', ...args).finished()
    expect(ended).toMatchObject({ code, stderr: expect.stringContaining(message) })
  })

  test('reads older parts first, and passes over what is no entry', async () => {
    const folder = await newFolder()
    const log = join(folder, 'audit.jsonl')
    const entry = (at: string, type: string): string =>
      JSON.stringify({ at: `2026-11-22T10:0${at}Z`, type, services: [], down: [] })
    await writeFile(`${log}.2`, `${entry('0:00', 'daemon:start')}\n`)
    await writeFile(`${log}.1`, `${entry('1:00', 'daemon:alive')}\nnonsense\n`)
    await writeFile(log, `${entry('2:00', 'daemon:stop')}\n{"at":"20`)
    const { stdout } = await new Program('report', log, '--json').finished()
    expect(JSON.parse(stdout)).toMatchObject({
      from: '2026-11-22T10:00:00Z',
      process: { upMs: 120_000, downMs: 0, starts: 1 },
      unreadable: 2
    })
    const { stdout: since } = await new Program('report', log, '--since', '2026-11-22T10:01:30Z').finished()
    expect(since).toContain('(0 ms)')
    expect(since).toContain('this process: 100 %')
  })
})
