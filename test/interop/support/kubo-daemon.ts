import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { inject } from 'vitest'
import type { Reachable } from '../../integration/support/client.ts'
import { type PeerFile, PeerProcess, startPeers } from './peer-process.ts'

/** How long a daemon may take for any command, and to start. */
const ANSWER_LIMIT_MS = 30_000

/** What the daemon prints when its API can be used. */
const READY = 'Daemon is ready'

const OFF = { Enabled: false }

/**
 * What the `test` profile (github.com/ipfs/kubo, config/profile.go) leaves on of what may reach beyond this computer,
 * or listens to more than TCP. By sections of kubo's configuration.
 */
const isolation = {
  Addresses: { Gateway: [] },
  AutoNAT: { ServiceMode: 'disabled' },
  HTTPRetrieval: OFF,
  Plugins: { Plugins: { telemetry: { Disabled: true } } },
  Provide: OFF,
  Routing: { Type: 'none' },
  Swarm: {
    EnableHolePunching: false,
    RelayClient: OFF,
    RelayService: OFF,
    Transports: {
      Network: { QUIC: false, Relay: false, WebRTCDirect: false, WebTransport: false, Websocket: false }
    }
  },
  Version: { SwarmCheckEnabled: false }
}

/** What Bitswap has sent so far (`ipfs bitswap stat`). */
interface Sent {
  readonly BlocksSent: number
}

/** A daemon of kubo that knows nobody, on 127.0.0.1, with a repo of its own. */
export class KuboDaemon extends PeerProcess implements Reachable {
  peerId = ''
  multiaddr = ''
  readonly #repo: string
  #api = ''

  static async start(): Promise<KuboDaemon> {
    const repo = await mkdtemp(join(inject('kuboRepos'), 'repo-'))
    await initialise(repo)
    const daemon = new KuboDaemon(repo)
    try {
      await daemon.#ready()
      return daemon
    } catch (error) {
      await daemon[Symbol.asyncDispose]()
      throw error
    }
  }

  private constructor(repo: string) {
    super('kubo', inject('kubo'), ['daemon'], environment(repo))
    this.#repo = repo
  }

  /** Adds a file as `ipfs add --cid-version=1 --raw-leaves` does, in blocks of 256 KiB. */
  async addFile(bytes: Uint8Array): Promise<PeerFile> {
    const form = new FormData()
    form.append('file', new Blob([new Uint8Array(bytes)]))
    const command = 'add?cid-version=1&raw-leaves=true&chunker=size-262144'
    const { Hash } = await this.#ask<{ Hash: string }>(command, form)
    const sha256 = createHash('sha256').update(bytes).digest('base64')
    return { cid: Hash, sha256, sizeBytes: bytes.length }
  }

  async connect(multiaddr: string): Promise<void> {
    await this.#call(`swarm/connect?arg=${encodeURIComponent(multiaddr)}`)
  }

  /** Has it read a file, and fetch what it lacks. */
  async getFile(cid: string, timeoutMs = ANSWER_LIMIT_MS): Promise<Omit<PeerFile, 'cid'>> {
    const { body } = await this.#call(`cat?arg=${cid}`, undefined, timeoutMs)
    const hash = createHash('sha256')
    let sizeBytes = 0
    for await (const part of body!) {
      hash.update(part)
      sizeBytes += part.length
    }
    return { sha256: hash.digest('base64'), sizeBytes }
  }

  async blocksSent(): Promise<number> {
    return (await this.#sent()).BlocksSent
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill()
    await this.ended
    await rm(this.#repo, { recursive: true })
  }

  async #ready(): Promise<void> {
    await this.#printed(READY)
    const [, host, port] = /^\/ip4\/([\d.]+)\/tcp\/(\d+)$/.exec(
      await readFile(join(this.#repo, 'api'), 'utf8')
    )!
    this.#api = `http://${host}:${port}/api/v0`
    const { ID, Addresses } = await this.#ask<{ ID: string; Addresses: [string] }>('id')
    this.peerId = ID
    this.multiaddr = Addresses[0]
  }

  /** Resolves with a line that it prints; what comes after it is read, too, so that it never waits for us. */
  #printed(expected: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(() => reject(this.error('did not start in time')), ANSWER_LIMIT_MS)
    createInterface({ input: this.child.stdout }).on('line', line => line === expected && resolve())
    void this.ended.then(() => reject(this.error('has ended')))
    return promise.finally(() => clearTimeout(timer))
  }

  #sent(): Promise<Sent> {
    return this.#ask('bitswap/stat')
  }

  async #ask<Answer>(command: string, body?: FormData): Promise<Answer> {
    return (await (await this.#call(command, body)).json()) as Answer
  }

  /** Calls a command of its API (docs.ipfs.tech/reference/kubo/rpc). */
  async #call(command: string, body?: FormData, timeoutMs = ANSWER_LIMIT_MS): Promise<Response> {
    const signal = AbortSignal.timeout(timeoutMs)
    const response = await fetch(`${this.#api}/${command}`, { method: 'POST', signal, ...(body && { body }) })
    if (!response.ok) throw this.error(`could not ${command}: ${await response.text()}`)
    return response
  }
}

/** Starts daemons, all at once. They end with the scope. */
export const startKuboDaemons = (count: number) => startPeers(count, () => KuboDaemon.start())

/** Makes a repo whose daemon keeps to 127.0.0.1. */
async function initialise(repo: string): Promise<void> {
  await promisify(execFile)(inject('kubo'), ['init', '--profile=test'], { env: environment(repo) })
  const path = join(repo, 'config')
  const config = JSON.parse(await readFile(path, 'utf8'))
  await writeFile(path, JSON.stringify(merged(config, isolation)))
}

/** Nothing of ours, such as proxies or a home. */
function environment(repo: string): NodeJS.ProcessEnv {
  return { IPFS_PATH: repo, HOME: repo, IPFS_TELEMETRY: 'off' }
}

type Section = Record<string, unknown>

/** What is in `over` wins; objects are merged. */
function merged(under: Section, over: Section): Section {
  const entries = Object.entries(over).map(([name, value]) => {
    const below = under[name]
    return [name, isSection(value) && isSection(below) ? merged(below, value) : value]
  })
  return { ...under, ...Object.fromEntries(entries) }
}

function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
