import { configDefaults, defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: { conditions: ['bitswap-protection-source'] },
  ssr: { resolve: { conditions: ['bitswap-protection-source', 'node', 'module'] } },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, 'test/interop/**'],
    reporters: ['default', './test/support/closing-line.ts'],
    typecheck: { enabled: true, include: ['test/**/*.test-d.ts'] }
  }
})
