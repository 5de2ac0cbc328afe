import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { inOwnNamespace, lackOf } from '../../../benchmarks/rig/network.ts'
import type { Hole, Swallowed } from './support/black-hole-program.ts'

/** Keep-alive asks after a second without a word, and again after another, which makes 3 s; and one for a busy machine. */
const LIMIT_MS = 4_000

/** The caller's own limit of 2 s, and half a second for a busy machine. */
const OWN_LIMIT_MS = 2_500

/** The longest wait between attempts to connect, which is 4 s, and such an attempt. */
const BACK_LIMIT_MS = 6_000

const lack = lackOf('links')
const program = fileURLToPath(new URL('./support/black-hole-program.ts', import.meta.url))

async function swallowed(hole: Hole): Promise<Swallowed> {
  const [file, ...args] = inOwnNamespace([process.execPath, program, hole])
  const { stdout } = await promisify(execFile)(file!, args, { timeout: 50_000 })
  return JSON.parse(stdout) as Swallowed
}

// Where nobody may make a network namespace, there is no link to break.
describe.each<Hole>(['answers', 'link'])('packets that vanish: %s', hole => {
  test('are noticed by who only waits, by idle channels, and by their pool', async ({ skip }) => {
    skip(lack !== undefined, lack)
    const { before, idleMs, waitingMs, waitingError, isHealthy, ...rest } = await swallowed(hole)
    // Four that are kept ready, and the two that are lent.
    expect(before).toBe(6)
    expect(waitingError).toMatch(/^ChannelClosedError: .* it broke off$/)
    expect(waitingMs).toBeLessThan(LIMIT_MS)
    expect(idleMs).toBeLessThan(LIMIT_MS)
    expect(isHealthy).toBe(false)
    // What was sent and is not acknowledged, the system sends again, for minutes, and asks nothing: only limits help.
    expect(rest.writtenError).toMatch(/^ChannelTimeoutError/)
    expect(rest.writtenMs).toBeLessThan(OWN_LIMIT_MS)
    expect(rest.backMs).toBeLessThan(BACK_LIMIT_MS)
  })
})
