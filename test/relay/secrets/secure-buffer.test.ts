import { expect, test } from 'vitest'
import { memoryProtectionStatus } from '../../../src/relay/secrets/secure-buffer.ts'
import { testSecureBuffer } from '../support/secure-buffer-behaviour.ts'

test('the native module is in use here, or the rest says nothing of it', async () => {
  expect((await memoryProtectionStatus()).reason ?? '').not.toContain('sodium-native')
})

testSecureBuffer()
