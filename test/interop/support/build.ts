import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of the program that a boxo peer is. */
    readonly boxoPeer: string
    /** Path of kubo's program, `ipfs`. */
    readonly kubo: string
    /** Folder for the repos of kubo daemons. */
    readonly kuboRepos: string
  }
}

const GO = 'go'
const BUILD_LIMIT_MS = 500_000

/** Builds the programs of the peers, once for all tests. */
export default function build(project: TestProject): () => void {
  project.provide('boxoPeer', buildTool('boxo-peer', 'boxo-peer'))
  project.provide('kubo', buildTool('kubo', 'ipfs'))
  const repos = mkdtempSync(join(tmpdir(), 'kubo-repos-'))
  project.provide('kuboRepos', repos)
  return () => rmSync(repos, { recursive: true })
}

/**
 * Builds a tool of a Go module beside this folder.
 *
 * @returns where Go keeps the program. That is in its cache, so that it is linked once, too; `go build` links it each
 *   time.
 */
function buildTool(module: string, tool: string): string {
  const { status, stdout, stderr, error } = spawnSync(GO, ['tool', '-n', tool], {
    cwd: join(import.meta.dirname, '..', module),
    encoding: 'utf8',
    timeout: BUILD_LIMIT_MS
  })
  if (status === 0) return stdout.trim()
  throw new Error(`Go 1.26 or later could not build ${tool} (see https://go.dev/dl):\n${error ?? stderr}`)
}
