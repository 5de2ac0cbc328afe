import { Counter, Registry, type RegistryContentType } from 'prom-client'
import { beforeAll, describe, expect, test } from 'vitest'
import { ProtectionMetrics } from '../../src/bitswap/protection-metrics.ts'
import type { PoolOptions } from '../../src/relay/pool/pool-options.ts'
import { SecureChannelPool } from '../../src/relay/pool/secure-channel-pool.ts'
import { registerMetrics } from '../../src/telemetry/index.ts'
import { create as createChannel } from '../relay/nodes/support/channel.ts'
import { Authority, type Identity } from '../relay/support/certificates.ts'
import { echo, TestServer } from '../relay/support/tls-server.ts'
import { createProtection } from '../support/deterministic-protection.ts'

let authority: Authority
let identity: Identity

beforeAll(async () => {
  authority = await Authority.create()
  identity = await authority.issue({ addresses: ['127.0.0.1'] })
})

/** A node, as far as its metrics go. */
function createNode() {
  const { protection } = createProtection({ maxEjectedShare: 1 })
  const metrics = new ProtectionMetrics(undefined, () => protection.getOverallStatus())
  let looks = 0
  const source = {
    getOverallStatus: () => {
      looks++
      return { ...protection.getOverallStatus(), totals: metrics.totals() }
    }
  }
  return { protection, metrics, source, looks: () => looks }
}

function createPool(endpoint: string, options: Partial<PoolOptions> = {}): SecureChannelPool {
  return new SecureChannelPool(endpoint, {
    minIdle: 0,
    namespace: 'btc_sprint',
    ...options,
    tls: { roots: [authority.certificate] }
  })
}

/** The lines of one metric and what belongs to it. */
async function linesOf(registry: Registry<RegistryContentType>, name: string): Promise<string[]> {
  const text = await registry.metrics()
  return text.split('\n').filter(line => new RegExp(`^${name}(_bucket|_sum|_count|_total)?[ {]`).test(line))
}

describe('of nodes', () => {
  test('circuits, peers and how they are treated are shown as they are when it is scraped', async () => {
    const registry = new Registry()
    const { protection, source } = createNode()
    registerMetrics(registry, { bitswap: [source] })
    protection.admit('a')
    protection.trip('b')
    protection.isolate('c')
    expect(await linesOf(registry, 'bitswap_protection_breakers')).toEqual([
      'bitswap_protection_breakers{state="closed"} 1',
      'bitswap_protection_breakers{state="open"} 2',
      'bitswap_protection_breakers{state="half_open"} 0'
    ])
    expect(await linesOf(registry, 'bitswap_protection_peers')).toEqual([
      'bitswap_protection_peers{health="healthy"} 0',
      'bitswap_protection_peers{health="degraded"} 0',
      'bitswap_protection_peers{health="unhealthy"} 0',
      'bitswap_protection_peers{health="unknown"} 3'
    ])
    expect(await linesOf(registry, 'bitswap_protection_special_peers')).toEqual([
      'bitswap_protection_special_peers{treatment="recovering"} 0',
      'bitswap_protection_special_peers{treatment="isolated"} 1',
      'bitswap_protection_special_peers{treatment="demoted"} 0',
      'bitswap_protection_special_peers{treatment="suspect"} 0',
      'bitswap_protection_special_peers{treatment="ejected"} 1'
    ])
    expect(await linesOf(registry, 'bitswap_protection_mode')).toEqual([
      'bitswap_protection_mode{mode="enforce"} 1',
      'bitswap_protection_mode{mode="observe"} 0',
      'bitswap_protection_mode{mode="off"} 0'
    ])
    expect(await linesOf(registry, 'bitswap_protection_calls_in_flight')).toEqual([
      'bitswap_protection_calls_in_flight 1'
    ])
    protection.release('c')
    expect(await linesOf(registry, 'bitswap_protection_breakers')).toContain(
      'bitswap_protection_breakers{state="open"} 1'
    )
  })

  test('what happened is counted, what never did as well', async () => {
    const registry = new Registry()
    const { metrics, source } = createNode()
    registerMetrics(registry, { bitswap: [source] })
    metrics.noteWant('answered', 40)
    metrics.noteWant('ignored', 40)
    metrics.noteRejection('HALF_OPEN_FULL')
    metrics.noteEvent('circuit:half-open')
    metrics.noteInboundRefusal('WANTS')
    metrics.noteShutOut()
    metrics.noteOpen(8)
    const text = await registry.metrics()
    for (const line of [
      'bitswap_protection_wants_total{result="answered"} 1',
      'bitswap_protection_wants_total{result="failed"} 0',
      'bitswap_protection_consecutive_want_failures 0',
      'bitswap_protection_rejections_total{reason="half_open_full"} 1',
      'bitswap_protection_rejections_total{reason="suspect"} 0',
      'bitswap_protection_events_total{event="circuit_half_open"} 1',
      'bitswap_protection_events_total{event="release"} 0',
      'bitswap_protection_inbound_refusals_total{reason="wants"} 1',
      'bitswap_protection_inbound_refusals_total{reason="bytes"} 0',
      'bitswap_protection_inbound_disconnects_total 1',
      'bitswap_protection_stream_open_seconds_bucket{le="0.005"} 0',
      'bitswap_protection_stream_open_seconds_bucket{le="0.01"} 1',
      'bitswap_protection_stream_open_seconds_bucket{le="+Inf"} 1',
      'bitswap_protection_stream_open_seconds_sum 0.008',
      'bitswap_protection_stream_open_seconds_count 1',
      'bitswap_protection_answer_seconds_bucket{le="0.02"} 0',
      'bitswap_protection_answer_seconds_bucket{le="0.05"} 1',
      'bitswap_protection_answer_seconds_sum 0.04'
    ])
      expect(text.split('\n')).toContain(line)
  })

  test('several are added up, one scrape looks at each once', async () => {
    const registry = new Registry()
    const one = createNode()
    const other = createNode()
    registerMetrics(registry, { bitswap: [one.source] })
    registerMetrics(registry, { bitswap: [other.source] })
    one.protection.admit('a')
    other.protection.admit('a')
    one.metrics.noteOpen(8)
    other.metrics.noteOpen(80)
    const text = await registry.metrics()
    expect(text).toContain('bitswap_protection_breakers{state="closed"} 2\n')
    expect(text).toContain('bitswap_protection_stream_open_seconds_bucket{le="0.01"} 1\n')
    expect(text).toContain('bitswap_protection_stream_open_seconds_count 2\n')
    expect([one.looks(), other.looks()]).toEqual([1, 1])
    await registry.metrics()
    expect([one.looks(), other.looks()]).toEqual([2, 2])
  })

  test('no peer is ever shown', async () => {
    const registry = new Registry()
    const { protection, source } = createNode()
    registerMetrics(registry, { bitswap: [source] })
    const few = (await registry.metrics()).split('\n').length
    for (let number = 0; number < 1_000; number++) protection.admit(`peer-${number}`)
    const text = await registry.metrics()
    expect(text).not.toContain('peer-')
    expect(text.split('\n')).toHaveLength(few)
  })

  test('what the metrics of the node itself show is left to them', async () => {
    const registry = new Registry()
    const own = new Counter({
      name: 'bitswap_protection_events_total',
      help: 'Of the node',
      registers: [registry]
    })
    own.inc(7)
    const end = registerMetrics(registry, { bitswap: [createNode().source] })
    expect(await linesOf(registry, 'bitswap_protection_events_total')).toEqual([
      'bitswap_protection_events_total 7'
    ])
    expect(await linesOf(registry, 'bitswap_protection_breakers')).toHaveLength(3)
    end()
    expect(registry.getMetricsAsArray().map(({ name }) => name)).toEqual(['bitswap_protection_events_total'])
  })
})

describe('of pools', () => {
  test('what is known of each endpoint is shown under the namespace of its pool', async () => {
    await using server = await TestServer.start(identity, echo)
    await using pool = createPool(server.endpoint)
    await using away = createPool('127.0.0.1:1', { namespace: 'btc_backup' })
    const registry = new Registry()
    registerMetrics(registry, { pools: [pool, away] })
    const channel = await pool.getConnection()
    await channel.writeAll(Uint8Array.of(1))
    await channel.readExact(1)
    await expect(away.getConnection()).rejects.toThrow()
    const text = await registry.metrics()
    const { endpoint } = server
    for (const line of [
      `btc_sprint_active_connections{endpoint="${endpoint}"} 1`,
      `btc_sprint_idle_connections{endpoint="${endpoint}"} 0`,
      `btc_sprint_endpoint_up{endpoint="${endpoint}"} 1`,
      `btc_sprint_reconnects_total{endpoint="${endpoint}"} 0`,
      `btc_sprint_errors_total{endpoint="${endpoint}"} 0`,
      `btc_sprint_circuit_state{endpoint="${endpoint}",state="closed"} 1`,
      `btc_sprint_circuit_state{endpoint="${endpoint}",state="open"} 0`,
      `btc_sprint_latency_ms_bucket{endpoint="${endpoint}",le="10000"} 1`,
      `btc_sprint_latency_ms_count{endpoint="${endpoint}"} 1`,
      `btc_sprint_latency_seconds_bucket{endpoint="${endpoint}",le="10"} 1`,
      `btc_sprint_latency_seconds_count{endpoint="${endpoint}"} 1`,
      'btc_backup_active_connections{endpoint="127.0.0.1:1"} 0',
      'btc_backup_endpoint_up{endpoint="127.0.0.1:1"} 0',
      'btc_backup_errors_total{endpoint="127.0.0.1:1"} 1',
      `btc_sprint_consecutive_failures{endpoint="${endpoint}"} 0`,
      'btc_backup_consecutive_failures{endpoint="127.0.0.1:1"} 1'
    ])
      expect(text.split('\n')).toContain(line)
    expect(text).toMatch(/^btc_sprint_latency_ms_bucket\{endpoint="[^"]+",le="50"\} [01]$/m)
    channel.release()
    expect(await linesOf(registry, 'btc_sprint_idle_connections')).toEqual([
      `btc_sprint_idle_connections{endpoint="${endpoint}"} 1`
    ])
  })

  test('each metric is there once, however many pools there are', async () => {
    const pools = Array.from({ length: 20 }, (_, number) => createPool(`127.0.0.1:${number + 1}`))
    const registry = new Registry()
    registerMetrics(registry, { pools })
    for (const pool of pools) registerMetrics(registry, { pools: [pool] })
    const lines = (await registry.metrics()).split('\n').filter(line => line.startsWith('# TYPE'))
    expect(new Set(lines).size).toBe(lines.length)
    expect(await linesOf(registry, 'btc_sprint_active_connections')).toHaveLength(20)
    for (const pool of pools) await pool.close()
  })
})

describe('of channels', () => {
  test('requests and the state of each node are shown', async () => {
    const registry = new Registry()
    const { channel, node, ends, read } = createChannel({ namespace: 'btc_sprint' })
    registerMetrics(registry, { channels: [channel] })
    expect(await linesOf(registry, 'btc_sprint_block_height')).toEqual([])
    node('a').conduct = { fails: () => new Error('broken') }
    for (let time = 0; time < 4; time++) await ends(read())
    const status = channel.getStatus()
    const a = status.nodes.find(({ endpoint }) => endpoint === 'a:1')!
    expect(a.totalErrors).toBeGreaterThan(0)
    expect(a.consecutiveFails).toBeGreaterThan(0)
    const text = await registry.metrics()
    for (const line of [
      'btc_sprint_requests_total 4',
      'btc_sprint_request_errors_total 0',
      `btc_sprint_request_retries_total ${status.totalRetries}`,
      'btc_sprint_request_hedges_total 0',
      'btc_sprint_requests_in_flight 0',
      'btc_sprint_failovers_total 0',
      'btc_sprint_failed_over 0',
      'btc_sprint_endpoint_up{endpoint="a:1"} 0',
      'btc_sprint_endpoint_up{endpoint="b:1"} 1',
      'btc_sprint_node_requests_in_flight{endpoint="b:1"} 0',
      `btc_sprint_errors_total{endpoint="a:1"} ${a.totalErrors}`,
      'btc_sprint_errors_total{endpoint="b:1"} 0',
      `btc_sprint_consecutive_failures{endpoint="a:1"} ${a.consecutiveFails}`,
      'btc_sprint_consecutive_failures{endpoint="b:1"} 0',
      'btc_sprint_latency_ms_bucket{endpoint="b:1",le="2"} 0',
      'btc_sprint_latency_ms_bucket{endpoint="b:1",le="5"} 4',
      'btc_sprint_latency_ms_sum{endpoint="b:1"} 20',
      'btc_sprint_latency_seconds_sum{endpoint="b:1"} 0.02',
      'btc_sprint_latency_ms_count{endpoint="c:1"} 0'
    ])
      expect(text.split('\n')).toContain(line)
    await channel.close()
  })
})

describe('in a registry', () => {
  test('what is not to be shown any more is taken out, with its names, and nothing else', async () => {
    const registry = new Registry()
    const one = createNode()
    const other = createNode()
    const endOne = registerMetrics(registry, { bitswap: [one.source] })
    const endOther = registerMetrics(registry, { bitswap: [other.source] })
    one.protection.admit('a')
    endOne()
    endOne()
    expect(await linesOf(registry, 'bitswap_protection_breakers')).toContain(
      'bitswap_protection_breakers{state="closed"} 0'
    )
    endOther()
    expect(registry.getMetricsAsArray()).toEqual([])
    registerMetrics(registry, { bitswap: [one.source] })
    expect(await linesOf(registry, 'bitswap_protection_breakers')).toContain(
      'bitswap_protection_breakers{state="closed"} 1'
    )
  })

  test('nothing of somebody else is taken out who has come in between', async () => {
    const registry = new Registry()
    const end = registerMetrics(registry, { bitswap: [createNode().source] })
    registry.clear()
    new Counter({ name: 'bitswap_protection_events_total', help: 'Of somebody else', registers: [registry] })
    end()
    expect(registry.getMetricsAsArray().map(({ name }) => name)).toEqual(['bitswap_protection_events_total'])
  })

  test('that was cleared they can be shown again', async () => {
    const registry = new Registry()
    const { source } = createNode()
    registerMetrics(registry, { bitswap: [source] })
    registry.clear()
    registerMetrics(registry, { bitswap: [source] })
    expect(await linesOf(registry, 'bitswap_protection_breakers')).toHaveLength(3)
  })

  test('resetting changes nothing: what is shown is kept elsewhere', async () => {
    const registry = new Registry()
    const { metrics, source } = createNode()
    registerMetrics(registry, { bitswap: [source] })
    metrics.noteShutOut()
    registry.resetMetrics()
    expect(await linesOf(registry, 'bitswap_protection_inbound_disconnects_total')).toEqual([
      'bitswap_protection_inbound_disconnects_total 1'
    ])
  })

  test('OpenMetrics is written as well, with the names it asks for', async () => {
    const registry = new Registry<RegistryContentType>()
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
    const { metrics, source } = createNode()
    registerMetrics(registry, { bitswap: [source] })
    metrics.noteShutOut()
    const text = await registry.metrics()
    expect(text).toContain('# TYPE bitswap_protection_inbound_disconnects counter\n')
    expect(text).toContain('\nbitswap_protection_inbound_disconnects_total 1\n')
    expect(text.endsWith('# EOF\n')).toBe(true)
  })

  test('all have a help text, and are told as JSON, of which several processes are put together', async () => {
    const registry = new Registry()
    registerMetrics(registry, { bitswap: [createNode().source] })
    const metrics = await registry.getMetricsAsJSON()
    for (const { help, name } of metrics) {
      expect(help).toMatch(/^[A-Z].+[^.]$/)
      expect(name).toMatch(/^bitswap_protection_[a-z_]+$/)
    }
    expect(metrics.map(({ aggregator }) => aggregator)).toEqual(metrics.map(() => 'sum'))
  })
})
