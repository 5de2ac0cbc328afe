export * from './bitswap/index.ts'
export * from './core/index.ts'
