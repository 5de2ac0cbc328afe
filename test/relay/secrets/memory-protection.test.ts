import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { MemoryProtectionStatus } from '../../../src/relay/secrets/memory-protection-status.ts'
import { findInMemory, type Mapping, readMappings } from '../support/secure-mappings.ts'
import { resultOf, runProcess, Steps } from '../support/secure-process.ts'

// There may be much else to do for the machine, and processes take their time to start.
vi.setConfig({ testTimeout: 30_000 })

const isLinux = process.platform === 'linux'

/** Whether a process can be started here that may lock so much and no more. */
const canBeLimited =
  isLinux &&
  (process.getuid?.() !== 0 || spawnSync('setpriv', ['--bounding-set=-ipc_lock', 'true']).status === 0)

/** `unlimited`, or how much this process may lock. */
const LIMIT = isLinux
  ? /^Max locked memory +(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]
  : '0'
const canLock = LIMIT === 'unlimited' || Number(LIMIT) >= 2 ** 20

/** Mappings that are locked. */
function lockedIn(smaps: string): Mapping[] {
  return readMappings(smaps).filter(({ flags }) => flags.includes('lo'))
}

describe.skipIf(!isLinux || !canLock)('where memory can be locked', () => {
  test('secrets are locked, not dumped, and sealed', async () => {
    const { idle, during, status } = await resultOf<{
      idle: string
      during: string
      status: MemoryProtectionStatus
    }>(`
      const smaps = () => readFileSync('/proc/self/smaps', 'latin1')
      const secret = await SecureBuffer.from(Uint8Array.of(1, 2, 3))
      await turn()
      const idle = smaps()
      const during = secret.withAccess(smaps)
      console.log(JSON.stringify({ idle, during, status: await memoryProtectionStatus() }))
    `)
    for (const locked of [lockedIn(idle), lockedIn(during)]) {
      // What is kept, and the window that is zeros but during access.
      expect(locked.map(({ rights }) => rights).sort()).toEqual(['---p', 'rw-p'])
      for (const { flags } of locked) expect(flags).toContain('dd')
    }
    expect(status).toEqual({
      isEnabled: true,
      selfCheckPassed: true,
      secureBuffers: 1,
      lockedBytes: expect.any(Number),
      reason: undefined
    })
    expect(status.lockedBytes! % 4_096).toBe(0)
    expect(status.lockedBytes).toBeGreaterThan(0)
  })

  test('what is told to be locked is, and is no more once they are disposed of', async () => {
    const { before, during, told, after } = await resultOf<Record<string, number>>(`
      const kernel = () => 1024 * Number(/VmLck:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))[1])
      const told = async () => (await memoryProtectionStatus()).lockedBytes
      await told()
      await turn()
      const before = kernel()
      const secrets = [await SecureBuffer.allocate(1), await SecureBuffer.allocate(5_000)]
      const result = { before, during: kernel(), told: await told() }
      for (const secret of secrets) secret.dispose()
      await turn()
      console.log(JSON.stringify({ ...result, after: kernel() }))
    `)
    expect(before).toBe(0)
    expect(told).toBe(during)
    expect(told).toBeGreaterThanOrEqual(2 * 5_001)
    expect(after).toBe(0)
  })

  test('those that come and go do not pile up, though the event loop does not turn', async () => {
    const mappings = await resultOf<number>(`
      const count = () => readFileSync('/proc/self/maps', 'latin1').split('\\n').length
      await memoryProtectionStatus()
      const before = count()
      let most = 0
      for (let round = 0; round < 500; round++) {
        (await SecureBuffer.allocate(1)).dispose()
        if (round % 10 === 0) most = Math.max(most, count() - before)
      }
      console.log(most)
    `)
    expect(mappings).toBeGreaterThan(0)
    expect(mappings).toBeLessThan(1_000)
  })
})

describe.skipIf(!canBeLimited)('a user without privileges, which can lock 64 KiB', () => {
  test('is told when secrets are not locked any more', async () => {
    const [few, many, few2] = await resultOf<MemoryProtectionStatus[]>(
      `
      const secrets = [await SecureBuffer.allocate(32)]
      await turn()
      const few = await memoryProtectionStatus()
      for (let index = 0; index < 19; index++) secrets.push(await SecureBuffer.allocate(32))
      const many = await memoryProtectionStatus()
      for (const secret of secrets.splice(1)) secret.dispose()
      console.log(JSON.stringify([few, many, await memoryProtectionStatus()]))
      `,
      { lockedKibibytes: 64 }
    )
    expect(few).toMatchObject({ isEnabled: true, selfCheckPassed: true, secureBuffers: 1 })
    expect(few!.lockedBytes).toBeGreaterThan(0)
    expect(many).toMatchObject({ isEnabled: false, selfCheckPassed: true, secureBuffers: 20 })
    expect(many!.lockedBytes).toBe(64 * 1024)
    expect(many!.reason).toMatch(/^\d+ of 20 secrets: .*RLIMIT_MEMLOCK/)
    expect(few2).toEqual(few)
  })

  test('is told when nothing can be locked at all, and has secrets all the same', async () => {
    const [content, status] = await resultOf<[number[], MemoryProtectionStatus]>(
      `
      const secret = await SecureBuffer.from(Uint8Array.of(1, 2, 3))
      console.log(JSON.stringify([secret.withAccess(bytes => [...bytes]), await memoryProtectionStatus()]))
      `,
      { lockedKibibytes: 0 }
    )
    expect(content).toEqual([1, 2, 3])
    expect(status).toMatchObject({ isEnabled: false, selfCheckPassed: false, lockedBytes: 0 })
    expect(status.reason).toContain('RLIMIT_MEMLOCK')
  })
})

test.each([
  ['read', 'region.bytes[0]'],
  ['written to', 'region.bytes[0] = 1'],
  ['written to while it may be read', 'region.openToRead(); region.bytes[0] = 1']
])('sealed memory that is %s kills the process', async (_, touch) => {
  const region = 'const region = new GuardedRegion(await loadSodium(), 32)'
  const killed = await runProcess(`${region}; console.log('alive'); ${touch}; console.log('still alive')`)
  expect(killed).toMatchObject({ code: null, signal: 'SIGSEGV', stdout: 'alive\n' })
  const alive = await runProcess(
    `${region}; region.openToWrite(); ${touch.split(';').at(-1)}; console.log('alive')`
  )
  expect(alive).toMatchObject({ code: 0, stdout: 'alive\n' })
})

test('what was kept of an access does not kill the process', async () => {
  const result = await runProcess(`
    const secret = await SecureBuffer.from(Uint8Array.of(1, 2, 3))
    let stray
    secret.withAccess(bytes => { stray = bytes })
    console.log([...stray])
    secret.dispose()
    console.log(stray.length, stray[0])
    await turn()
    console.log(stray.length, stray[0])
  `)
  expect(result).toMatchObject({
    code: 0,
    stdout: ['[ 0, 0, 0 ]', '0 undefined', '0 undefined', ''].join('\n')
  })
})

test('without the native module all works, and it is told', async () => {
  const [content, status] = await resultOf<[number[], MemoryProtectionStatus]>(
    `
    const secret = await SecureBuffer.from(Uint8Array.of(1, 2, 3))
    console.log(JSON.stringify([secret.withAccess(bytes => [...bytes]), await memoryProtectionStatus()]))
    `,
    { hasSodium: false }
  )
  expect(content).toEqual([1, 2, 3])
  expect(status).toEqual({
    isEnabled: false,
    selfCheckPassed: false,
    secureBuffers: 1,
    lockedBytes: 0,
    reason: 'secrets are in ordinary memory, as sodium-native cannot be used: it is not installed'
  })
})

describe.skipIf(!isLinux)('all the memory of a process', () => {
  async function secretFile(): Promise<{ path: string; secret: Uint8Array }> {
    const folder = await mkdtemp(join(tmpdir(), 'secret-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const path = join(folder, 'secret')
    const secret = randomBytes(48)
    secret[47] = 1
    await writeFile(path, secret)
    return { path, secret }
  }

  const fromFile = (path: string): string => `const secret = await SecureBuffer.fromFile('${path}')`
  const fromBytes = (path: string): string => `
    const bytes = new Uint8Array(new ArrayBuffer(48))
    readSync(openSync('${path}'), bytes)
    const secret = await SecureBuffer.from(bytes)
  `

  test.each([
    ['a file, locked', fromFile, true],
    ['bytes, locked', fromBytes, true],
    ['a file, in ordinary memory', fromFile, false],
    ['bytes, in ordinary memory', fromBytes, false]
  ] as const)('has it once until it is disposed of: from %s', async (_, make, hasSodium) => {
    const { path, secret } = await secretFile()
    const script = `
      import { openSync, readSync } from 'node:fs'
      ${make(path)}
      await step()
      secret.equals(secret)
      secret.withWriteAccess(bytes => bytes.length)
      await step()
      const copy = new Uint8Array(new ArrayBuffer(48))
      secret.withAccess(bytes => copy.set(bytes))
      await step()
      copy.fill(0)
      secret.dispose()
    `
    const kept = hasSodium ? '---p' : 'rw-p'
    const steps = new Steps(script, { hasSodium })
    await steps.done()
    expect(findInMemory(steps.pid, secret)).toEqual([kept])
    await steps.next()
    expect(findInMemory(steps.pid, secret)).toEqual([kept])
    await steps.next()
    // It would be seen if there were a copy.
    expect(findInMemory(steps.pid, secret).sort()).toEqual([kept, 'rw-p'].sort())
    await steps.next()
    expect(findInMemory(steps.pid, secret)).toEqual([])
  })
})
