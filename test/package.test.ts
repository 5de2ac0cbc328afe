import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

// What the package does to a process that uses it: what it loads, and that it never keeps it alive.

const root = resolve(import.meta.dirname, '..')

/** Far more than a child needs that ends by itself, far less than any timer of the library. */
const CHILD_TIME_LIMIT_MS = 10_000

/** Runs a program, given as the text of a module, in a Node of its own; returns the JSON it printed. */
async function runChild(program: string): Promise<unknown> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--conditions=bitswap-protection-source', '--input-type=module', '--eval', program],
    { cwd: root, timeout: CHILD_TIME_LIMIT_MS }
  )
  return JSON.parse(stdout)
}

/** The address of every module that came to be loaded by importing `specifier`. */
async function modulesLoadedBy(specifier: string): Promise<string[]> {
  return (await runChild(`
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context) } })
    await import('${specifier}')
    console.log(JSON.stringify(loaded))
  `)) as string[]
}

/** The core, and the one package it uses with what that brings along. */
const expectedOfCore =
  /\/src\/(index|core\/[\w-]+)\.ts$|\/node_modules\/(hdr-histogram-js|base64-js|pako|@assemblyscript\/loader)\/|^node:zlib$/

test('tests run on the Node that is pinned', () => {
  expect(process.versions.node).toMatch(/^24\./)
})

/** What only the command, the relay half or a server needs. `node:net` is for libp2p's handling of addresses. */
const unexpectedOfService =
  /^node:(tls|https?|http2|dgram|child_process|fs|fs\/promises)$|\/node_modules\/(helia|@helia|libp2p|prom-client|fastify)\/|\/src\/(cli|relay|management|telemetry)\//

test('the core loads neither sockets nor servers nor anything else', async () => {
  const loaded = await modulesLoadedBy('bitswap-protection/core')
  expect(loaded).toContainEqual(expect.stringMatching(/\/src\/core\/protection\.ts$/))
  expect(loaded).toContainEqual(expect.stringMatching(/\/node_modules\/hdr-histogram-js\//))
  expect(loaded.filter(url => !expectedOfCore.test(url))).toEqual([])
})

test.each(['bitswap-protection', 'bitswap-protection/bitswap'])(
  '%s loads neither a node nor servers',
  async specifier => {
    const loaded = await modulesLoadedBy(specifier)
    expect(loaded).toContainEqual(expect.stringMatching(/\/src\/bitswap\/bitswap-protection\.ts$/))
    expect(loaded.filter(url => unexpectedOfService.test(url))).toEqual([])
  }
)

test.each(['node:tls', 'node:http', 'node:net'])('%s would be noticed', async specifier => {
  const loaded = await modulesLoadedBy(specifier)
  expect(loaded.filter(url => !expectedOfCore.test(url))).toEqual([specifier])
})

/** Makes a child note the timers that are set, in `timers`. */
const notingTimers = `
  const timers = []
  for (const set of ['setTimeout', 'setInterval']) {
    const original = globalThis[set]
    globalThis[set] = (...args) => { const timer = original(...args); timers.push(timer); return timer }
  }`

test('a protection that is never called sets no timer, and its process ends', async () => {
  const seen = await runChild(`${notingTimers}
    const { CircuitBreaker, HealthMonitor, Protection, RecoveryManager } = await import('bitswap-protection')
    const kept = [new Protection(), new CircuitBreaker(), new HealthMonitor(), new RecoveryManager()]
    process.on('exit', () => console.log(JSON.stringify({ kept: kept.length, timers: timers.length })))
  `)
  expect(seen).toEqual({ kept: 4, timers: 0 })
})

test('a process with ten open circuits and a call that hangs ends by itself', async () => {
  const seen = await runChild(`${notingTimers}
    const { Protection } = await import('bitswap-protection')
    const protection = new Protection({ maxEjectedShare: 1 })
    for (let peer = 0; peer < 10; peer++) {
      for (let call = 0; call < 5; call++) protection.admit('peer ' + peer).settle('failure')
    }
    protection.executeRequest('hanging', () => new Promise(() => {}))
    process.on('exit', () => {
      const { circuitStates, inFlight } = protection.getOverallStatus()
      const holding = timers.filter(timer => timer.hasRef()).length
      console.log(JSON.stringify({ open: circuitStates.OPEN, inFlight, isTimed: timers.length > 0, holding }))
    })
  `)
  expect(seen).toEqual({ open: 10, inFlight: 1, isTimed: true, holding: 0 })
})
