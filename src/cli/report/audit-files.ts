import { open, stat } from 'node:fs/promises'
import type { AuditEntry } from '../../telemetry/index.ts'

/** As many as an audit log has at most. */
const MAX_FILES = 1_000

/** The entries of an audit log, the oldest first; `undefined` for a line that is none, as the last one of a process that was killed. */
export async function* readEntries(path: string): AsyncGenerator<AuditEntry | undefined> {
  const older: string[] = []
  for (let number = 1; number < MAX_FILES && (await exists(`${path}.${number}`)); number++)
    older.unshift(`${path}.${number}`)
  for (const file of [...older, path]) yield* readLines(file)
}

async function* readLines(path: string): AsyncGenerator<AuditEntry | undefined> {
  await using file = await open(path)
  for await (const line of file.readLines()) if (line !== '') yield parse(line)
}

function parse(line: string): AuditEntry | undefined {
  try {
    const entry = JSON.parse(line) as AuditEntry
    const isEntry = typeof entry.type === 'string' && !Number.isNaN(Date.parse(entry.at))
    return isEntry ? entry : undefined
  } catch {
    return undefined
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false
  )
}
