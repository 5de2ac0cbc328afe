import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { GuardedRegion } from '../../../src/relay/secrets/guarded-region.ts'
import { PlainRegion } from '../../../src/relay/secrets/plain-region.ts'
import { SecretFileError } from '../../../src/relay/secrets/secret-error.ts'
import { SecureBuffer } from '../../../src/relay/secrets/secure-buffer.ts'
import { SecureMemory } from '../../../src/relay/secrets/secure-memory.ts'
import { checkMemory } from '../../../src/relay/secrets/self-check.ts'
import { loadSodium } from '../../../src/relay/secrets/sodium.ts'

/** Ordinary memory that says so much of it is locked. */
class ClaimedRegion extends PlainRegion {
  override readonly lockedBytes: never
  isFreed = false

  constructor(byteLength: number, lockedBytes: number | undefined) {
    super(byteLength)
    this.lockedBytes = lockedBytes as never
  }

  override free(): void {
    this.isFreed = true
    super.free()
  }
}

class ForgetfulRegion extends ClaimedRegion {
  override seal(): void {
    this.bytes[31] = 0
  }
}

class IndelibleRegion extends ClaimedRegion {
  override erase(): void {
    this.bytes.fill(0, 0, 31)
  }
}

describe('the self-check', () => {
  test('passes if memory is locked and does what it should', () => {
    expect(checkMemory(length => new ClaimedRegion(length, 4_096))).toEqual({ hasPassed: true })
  })

  test('does not if it is not locked', () => {
    const { hasPassed, problem } = checkMemory(length => new ClaimedRegion(length, 0))
    expect(hasPassed).toBe(false)
    expect(problem).toContain('RLIMIT_MEMLOCK')
  })

  test('says so if that cannot be seen', () => {
    expect(checkMemory(length => new ClaimedRegion(length, undefined))).toEqual({
      hasPassed: undefined,
      problem: 'this system does not show whether memory is locked'
    })
  })

  test.each([
    ['loses what is written', ForgetfulRegion],
    ['is not erased', IndelibleRegion]
  ])('throws if memory %s, and gives it back', (problem, Region) => {
    const region = new Region(32, 4_096)
    expect(() => checkMemory(() => region)).toThrow(problem)
    expect(region.isFreed).toBe(true)
  })
})

describe('the status', () => {
  test('is not known where locking cannot be seen', async () => {
    const sodium = await loadSodium()
    const allocate = (length: number) => new GuardedRegion(sodium, length, () => undefined)
    const memory = new SecureMemory(allocate, checkMemory(allocate))
    const cell = memory.allocate(32)
    expect(memory.status()).toEqual({
      isEnabled: undefined,
      selfCheckPassed: undefined,
      secureBuffers: 1,
      lockedBytes: undefined,
      reason: 'this system does not show whether memory is locked'
    })
    memory.free(cell)
  })

  test('is not enabled if only one half of a secret is locked', () => {
    const locked = [4_096, 0]
    const memory = new SecureMemory(length => new ClaimedRegion(length, locked.shift()), {
      hasPassed: true,
      problem: undefined
    })
    expect(memory.status()).toMatchObject({ isEnabled: true, reason: undefined })
    memory.allocate(32)
    expect(memory.status()).toMatchObject({ isEnabled: false, lockedBytes: 4_096 })
    expect(memory.status().reason).toContain('1 of 1 secrets')
  })

  test('is not known any more if locking cannot be seen any more', () => {
    const memory = new SecureMemory(length => new ClaimedRegion(length, undefined), {
      hasPassed: true,
      problem: undefined
    })
    memory.allocate(32)
    expect(memory.status()).toEqual({
      isEnabled: undefined,
      selfCheckPassed: true,
      secureBuffers: 1,
      lockedBytes: undefined,
      reason: 'this system does not show whether memory is locked'
    })
  })
})

test.skipIf(process.platform === 'win32')('a pipe is not waited for: it is no secret', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'secret-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'pipe')
  expect(spawnSync('mkfifo', [path]).status).toBe(0)
  const error = await SecureBuffer.fromFile(path).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(SecretFileError)
  expect((error as Error).message).toContain('it is no file')
})
