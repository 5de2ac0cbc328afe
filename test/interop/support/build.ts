import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of the program that a boxo peer is. */
    readonly boxoPeer: string
  }
}

const MODULE = join(import.meta.dirname, '..', 'boxo-peer')
const GO = 'go'
const BUILD_LIMIT_MS = 500_000

/** Builds the program of the boxo peers, once for all tests. */
export default function build(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'boxo-peer-'))
  const program = join(folder, 'boxo-peer')
  const { status, stderr, error } = spawnSync(GO, ['build', '-o', program, '.'], {
    cwd: MODULE,
    encoding: 'utf8',
    timeout: BUILD_LIMIT_MS
  })
  if (status !== 0) {
    rmSync(folder, { recursive: true })
    throw new Error(`Go 1.26 or later could not build the peer (see https://go.dev/dl):\n${error ?? stderr}`)
  }
  project.provide('boxoPeer', program)
  return () => rmSync(folder, { recursive: true })
}
