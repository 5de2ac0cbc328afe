import { UptimeReader } from '../../telemetry/index.ts'
import { CommandError, messageOf, UsageError } from '../command-error.ts'
import { parseDuration } from '../config/duration.ts'
import { type ExitCode, exitCodes } from '../exit-codes.ts'
import { harmless, shorten } from '../terminal/visible-text.ts'
import { readEntries } from './audit-files.ts'
import { reportText } from './report-text.ts'

/** What to tell of. */
export interface ReportRequest {
  readonly path: string
  readonly since: string | undefined
  readonly json: boolean
}

/** Tells what an audit log says. @throws CommandError */
export async function report({ path, since, json }: ReportRequest): Promise<ExitCode> {
  const reader = new UptimeReader(since === undefined ? undefined : parseSince(since))
  let unreadable = 0
  try {
    for await (const entry of readEntries(path)) {
      if (entry === undefined) unreadable++
      else reader.take(entry)
    }
  } catch (error) {
    throw new CommandError(exitCodes.failed, `cannot read ${path}: ${harmless(messageOf(error))}`)
  }
  const told = { ...reader.report(), unreadable }
  process.stdout.write(json ? `${JSON.stringify(told)}\n` : `${reportText(told)}\n`)
  return exitCodes.ok
}

function parseSince(text: string): number {
  const ms = parseDuration(text)
  const atMs = ms === undefined ? Date.parse(text) : Date.now() - ms
  if (!Number.isNaN(atMs)) return atMs
  throw new UsageError(
    `invalid --since '${shorten(harmless(text), 80)}': allowed is a duration such as '24h', or a time such as '2026-11-22T10:00:00Z'`
  )
}
