import { defineConfig } from 'vitest/config'
import base from '../../vitest.config.ts'

export default defineConfig({
  ...base,
  test: {
    include: ['test/interop/*.test.ts'],
    globalSetup: 'test/interop/support/build.ts',
    // Tests have several peers busy at a time, and tell time.
    fileParallelism: false,
    testTimeout: 60_000,
    reporters: base.test!.reporters!
  }
})
