import { spawnSync } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, inject, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { makeBlocks } from '../../../src/cli/swarm/blocks.ts'
import { Swarm } from '../../../src/cli/swarm/swarm.ts'
import { ManagementClient } from '../../../src/management/client/index.ts'
import { Authority } from '../../relay/support/certificates.ts'
import { BcoinNode } from './support/bcoin-node.ts'
import { Daemon, newFolder } from './support/daemon.ts'
import { freePort } from './support/free-port.ts'
import { Stunnel } from './support/stunnel.ts'

const root = resolve(import.meta.dirname, '../../..')
const TOKEN = 'something-nobody-guesses'
const POLLING = { timeout: 40_000, interval: 200 }

/** Two nodes of bcoin behind TLS, two peers, the daemon that uses them, and a Prometheus that scrapes it by the rules we ship. */
class Scraped implements AsyncDisposable {
  readonly primary: BcoinNode
  readonly swarm: Swarm
  readonly client: ManagementClient
  /** Of the daemon. */
  readonly url: string
  readonly #prometheusUrl: string
  readonly #stack: AsyncDisposableStack

  static async start(): Promise<Scraped> {
    await using stack = new AsyncDisposableStack()
    const primary = stack.use(await BcoinNode.start())
    const backup = stack.use(await BcoinNode.start())
    const swarm = stack.use(await Swarm.start([{ name: 'a' }, { name: 'b' }]))
    const folder = await newFolder('daemon')
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const config = await writeConfig(folder, port, { primary, backup, swarm, stack })
    const client = new ManagementClient({ url, authToken: TOKEN, retries: 0, cacheMs: 0 })
    stack.use(await Daemon.start(serve(config), () => client.getHealth()))
    const prometheusUrl = await startPrometheus(folder, port, stack)
    return new Scraped(primary, swarm, client, url, prometheusUrl, stack.move())
  }

  private constructor(
    primary: BcoinNode,
    swarm: Swarm,
    client: ManagementClient,
    url: string,
    prometheusUrl: string,
    stack: AsyncDisposableStack
  ) {
    this.primary = primary
    this.swarm = swarm
    this.client = client
    this.url = url
    this.#prometheusUrl = prometheusUrl
    this.#stack = stack
  }

  async ask<Data>(path: string): Promise<Data> {
    const response = await fetch(`${this.#prometheusUrl}/api/v1/${path}`)
    return ((await response.json()) as { data: Data }).data
  }

  /** The values of a query, each by its label. */
  async query(query: string, label: string): Promise<Record<string, number>> {
    type Found = { result: Array<{ metric: Record<string, string>; value: [number, string] }> }
    const { result } = await this.ask<Found>(`query?query=${encodeURIComponent(query)}`)
    return Object.fromEntries(result.map(({ metric, value }) => [metric[label] ?? '', Number(value[1])]))
  }

  /** Names of the alerts that fire, and what they are about. */
  async firing(): Promise<string[]> {
    type Alerts = { alerts: Array<{ state: string; labels: Record<string, string> }> }
    const { alerts } = await this.ask<Alerts>('alerts')
    const firing = alerts.filter(({ state }) => state === 'firing')
    return firing.map(({ labels: { alertname, endpoint = '' } }) => `${alertname} ${endpoint}`.trim())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

interface Parts {
  readonly primary: BcoinNode
  readonly backup: BcoinNode
  readonly swarm: Swarm
  readonly stack: AsyncDisposableStack
}

async function writeConfig(folder: string, port: number, { primary, backup, swarm, stack }: Parts) {
  const authority = await Authority.create()
  const identity = await authority.issue({ addresses: ['127.0.0.1'] })
  const tunnels = stack.use(
    await Stunnel.start({
      primary: { identity, to: primary.rpcPort },
      backup: { identity, to: backup.rpcPort }
    })
  )
  const node = (name: 'primary' | 'backup') => ({
    address: tunnels.endpoint(name),
    username: 'x',
    password: primary.apiKey
  })
  await writeFile(join(folder, 'ca.pem'), authority.certificate)
  const path = join(folder, 'config.json')
  const config = {
    directory: 'state',
    node: { peers: swarm.peers.map(({ multiaddr }) => multiaddr) },
    relays: [
      {
        namespace: 'btc_sprint',
        primaryNodes: [node('primary')],
        backupNodes: [node('backup')],
        tls: { roots: ['ca.pem'] },
        healthCheck: { interval: '500ms', timeout: '1s', retries: 2 }
      }
    ],
    server: { port, authToken: TOKEN }
  }
  await writeFile(path, JSON.stringify(config))
  return path
}

function serve(config: string) {
  const main = join(root, 'src/cli/main.ts')
  const parameters = ['--conditions=bitswap-protection-source', main, 'serve', '--config', config]
  return { name: 'serve', program: process.execPath, parameters }
}

/** With the config and the rules that are shipped, but that it scrapes more often, and has the token in its config. */
async function startPrometheus(folder: string, port: number, stack: AsyncDisposableStack): Promise<string> {
  const shipped = parse(await readFile(join(root, 'deploy/prometheus/prometheus.yml'), 'utf8'))
  const [job] = shipped.scrape_configs
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [join(root, 'deploy/prometheus/rules.yml')],
    scrape_configs: [
      {
        ...job,
        authorization: { type: 'Bearer', credentials: TOKEN },
        static_configs: [{ targets: [`127.0.0.1:${port}`] }]
      }
    ]
  }
  const path = join(folder, 'prometheus.yml')
  await writeFile(path, stringify(config))
  const own = await freePort()
  const url = `http://127.0.0.1:${own}`
  const data = join(folder, 'data')
  await mkdir(data)
  const parameters = [
    `--config.file=${path}`,
    `--storage.tsdb.path=${data}`,
    `--web.listen-address=127.0.0.1:${own}`
  ]
  const isReady = async (): Promise<void> => {
    if (!(await fetch(`${url}/-/ready`)).ok) throw new Error('it is not ready')
  }
  stack.use(await Daemon.start({ name: 'prometheus', program: inject('prometheus'), parameters }, isReady))
  return url
}

test('a real Prometheus scrapes the daemon, and its alerts fire while a node is frozen', {
  timeout: 180_000
}, async () => {
  await using scraped = await Scraped.start()
  const { primary, client, swarm } = scraped
  const up = (): Promise<Record<string, number>> => scraped.query('up', 'job')
  await expect.poll(up, POLLING).toEqual({ 'bitswap-protection': 1 })
  const { value } = await client.getSecureChannelStatus()
  const endpoint = value.channels[0]!.nodes[0]!.endpoint
  const nodesUp = (): Promise<Record<string, number>> => scraped.query('btc_sprint_endpoint_up', 'endpoint')
  await expect.poll(async () => (await nodesUp())[endpoint], POLLING).toBe(1)
  expect(await scraped.firing()).toEqual([])

  // Blocks that are fetched through the daemon are counted.
  const request = { seed: 1, count: 5, sizeBytes: 1_000 }
  await swarm.peer('a').addBlocks(request)
  const headers = { 'x-auth-token': TOKEN }
  for (const { cid, bytes } of await makeBlocks(request)) {
    const response = await fetch(`${scraped.url}/ipfs/${cid}`, { headers })
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(bytes)
  }
  const wants = async (): Promise<number> =>
    (await scraped.query('bitswap_protection_wants_total{result="answered"}', 'job'))['bitswap-protection'] ??
    0
  await expect.poll(wants, POLLING).toBeGreaterThanOrEqual(5)

  // Names keep to the conventions, but for those that are kept for who knows them.
  const { value: metrics } = await client.getMetrics()
  const { stderr } = spawnSync('promtool', ['check', 'metrics'], { input: metrics, encoding: 'utf8' })
  const complaints = stderr
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('btc_sprint_latency_ms '))
  expect(complaints).toEqual([])

  primary.stop()
  await expect
    .poll(() => scraped.firing(), POLLING)
    .toEqual(expect.arrayContaining([`RelayCircuitBreakerOpen ${endpoint}`]))
  // The process itself looks every five seconds.
  await expect
    .poll(async () => (await client.getAlerts()).value.alerts, POLLING)
    .toContainEqual(expect.objectContaining({ name: 'circuitBreakerOpen', subject: endpoint }))
  expect((await nodesUp())[endpoint]).toBe(0)
  expect(Object.values(await scraped.query('btc_sprint_failed_over', 'job'))).toEqual([1])

  primary.resume()
  await expect.poll(async () => (await nodesUp())[endpoint], POLLING).toBe(1)
  // It is kept up for half a minute, so that it does not come and go.
  await expect.poll(() => scraped.firing(), { ...POLLING, timeout: 90_000 }).toEqual([])
})
