import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import type { PeerStatus } from 'bitswap-protection'
import { describe, expect, test } from 'vitest'
import type { Report } from '../examples/swarm/report.ts'

const root = resolve(import.meta.dirname, '..')

/** Runs an example in a Node of its own; throws unless it ends well and in time. */
async function run(name: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, FORCE_COLOR: undefined, NO_COLOR: '1' }
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--conditions=bitswap-protection-source', `examples/${name}.ts`, ...args],
    { cwd: root, env, timeout: 5_000 }
  )
  return stdout
}

describe('simulated swarm', async () => {
  const report: Report = JSON.parse(await run('simulated-swarm', '--json'))

  function peer(name: string): PeerStatus {
    return report.peers.find(({ key }) => key === name)!
  }

  function eventsOf(name: string): string[] {
    return report.timeline.filter(({ peer }) => peer === name).map(({ what }) => what)
  }

  test('with protection 95 % of the blocks come at least 5 times as soon', () => {
    expect(report.without.p95Ms).toBeGreaterThanOrEqual(10_000)
    expect(report.with.p95Ms * 5).toBeLessThan(report.without.p95Ms)
  })

  test('much less time is lost, and no block', () => {
    expect(report.with.requested).toBe(report.without.requested)
    expect(report.with.fetched).toBe(report.without.fetched)
    expect(report.with.lostMs * 5).toBeLessThan(report.without.lostMs)
    expect(report.with.late * 5).toBeLessThan(report.without.late)
  })

  test.each(['ada', 'snail', 'hollow'])('%s, which does no harm, is never kept from being asked', name => {
    expect(peer(name).circuitState).toBe('CLOSED')
    expect(eventsOf(name)).toEqual([])
  })

  test('rejections go to peers that deserve them, or did until lately', () => {
    expect(report.with.rejected).toBeGreaterThan(0)
    expect(report.with.wronglyRejected).toBe(0)
    expect(report.with.rejectedOnProbation).toBeLessThan(report.with.rejected / 5)
  })

  test('the peer that stalled and recovered is trusted again', () => {
    expect(eventsOf('staller').at(0)).toBe('circuit:open')
    expect(eventsOf('staller').slice(-3)).toEqual(['circuit:close', 'recovery:start', 'recovery:complete'])
    expect(peer('staller')).toMatchObject({
      circuitState: 'CLOSED',
      healthStatus: 'HEALTHY',
      recoveryRate: 1
    })
  })

  test('the peer that is gone is not called', () => {
    expect(peer('goner').circuitState).toBe('OPEN')
    expect(eventsOf('goner')).not.toContain('circuit:close')
  })

  test('the peer that fails every other time is opened', () => {
    expect(eventsOf('flapper')).toContain('circuit:open')
  })

  test('it is told for people too, without colours where they are not wanted', async () => {
    const text = await run('simulated-swarm')
    expect(text).toMatch(/ {2}1:\d\d {2}staller {2}circuit:open\n/)
    expect(text).toMatch(/\n {2}snail +CLOSED +HEALTHY +\d+ ms +100 %/)
    expect(text).toMatch(/\n +p95 +without +10\.\d s █{30}\n +with +\d+ ms █{1,6}\n/)
    expect(text).not.toContain('\u001b')
  })

  test('a wrong argument is named, with exit code 2', async () => {
    await expect(run('simulated-swarm', '--fast')).rejects.toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/'--fast'[\s\S]*Usage/)
    })
  })
})

test('one breaker', async () => {
  const lines = (await run('one-breaker')).trimEnd().split('\n')
  expect(lines.filter(line => line.includes('->')).map(line => line.trim())).toEqual([
    'node A: CLOSED -> OPEN',
    'node A: OPEN -> HALF_OPEN',
    'node A: HALF_OPEN -> CLOSED'
  ])
  expect(lines.filter(line => line.includes('failed'))).toHaveLength(3)
  expect(lines.filter(line => line.includes('not called'))).toHaveLength(5)
  expect(lines.at(-1)).toBe('  18 s  got 900000')
})
