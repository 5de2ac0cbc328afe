import { createHash } from 'node:crypto'
import { unixfs } from '@helia/unixfs'
import { CID } from 'multiformats/cid'
import { expect } from 'vitest'
import type { Client } from '../../integration/support/client.ts'
import type { PeerFile } from './peer-process.ts'

/** Something that is to happen while a file is read, as soon as so many bytes of it are there. */
export interface Incident {
  readonly afterBytes: number
  happen(): void
}

/** How the reading of a file went. */
export interface Reading {
  readonly totalMs: number
  /** Longest time without another byte. */
  readonly longestPauseMs: number
}

/** Reads a file and finds it to be what it should be. */
export async function readFile(
  client: Client,
  file: PeerFile,
  incidents: readonly Incident[] = []
): Promise<Reading> {
  const hash = createHash('sha256')
  const due = [...incidents]
  const startedAt = performance.now()
  let lastAt = startedAt
  let longestPauseMs = 0
  let sizeBytes = 0
  const signal = AbortSignal.timeout(50_000)
  for await (const part of unixfs(client.helia).cat(CID.parse(file.cid), { signal })) {
    hash.update(part)
    sizeBytes += part.length
    const now = performance.now()
    longestPauseMs = Math.max(longestPauseMs, now - lastAt)
    lastAt = now
    while (due[0] !== undefined && sizeBytes >= due[0].afterBytes) due.shift()!.happen()
  }
  expect({ sizeBytes, sha256: hash.digest('base64') }).toEqual({
    sizeBytes: file.sizeBytes,
    sha256: file.sha256
  })
  expect(due).toEqual([])
  return { totalMs: lastAt - startedAt, longestPauseMs }
}
