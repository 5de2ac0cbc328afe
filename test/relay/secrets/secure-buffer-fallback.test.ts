import { expect, test, vi } from 'vitest'
import { memoryProtectionStatus } from '../../../src/relay/secrets/secure-buffer.ts'
import { testSecureBuffer } from '../support/secure-buffer-behaviour.ts'

vi.mock('sodium-native', () => {
  throw new Error('it is not for this platform')
})

test('without the native module that is told', async () => {
  expect(await memoryProtectionStatus()).toEqual({
    isEnabled: false,
    selfCheckPassed: false,
    secureBuffers: 0,
    lockedBytes: 0,
    reason: expect.stringContaining('ordinary memory, as sodium-native cannot be used')
  })
})

testSecureBuffer()
