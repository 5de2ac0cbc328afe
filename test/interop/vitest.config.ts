import { defineConfig } from 'vitest/config'
import base from '../../vitest.config.ts'

const limits = { testTimeout: 60_000, hookTimeout: 60_000 }

export default defineConfig({
  ...base,
  test: {
    // Tests have several peers busy at a time, and tell time.
    fileParallelism: false,
    reporters: base.test!.reporters!,
    projects: [
      {
        extends: true,
        test: {
          ...limits,
          name: 'bitswap',
          include: ['test/interop/*.test.ts'],
          globalSetup: 'test/interop/support/build.ts'
        }
      },
      {
        extends: true,
        test: {
          ...limits,
          name: 'relay',
          include: ['test/interop/relay/**/*.test.ts'],
          globalSetup: 'test/interop/relay/support/provide.ts'
        }
      },
      {
        extends: true,
        test: { ...limits, name: 'browser', include: ['test/interop/browser/**/*.test.ts'] }
      }
    ]
  }
})
