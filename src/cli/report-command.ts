import { readArguments } from './arguments.ts'
import type { Command } from './command.ts'
import { UsageError } from './command-error.ts'
import type { ExitCode } from './exit-codes.ts'

const options = {
  since: { type: 'string', short: 's' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h' }
} as const

const help = `Tells from an audit log how long what was available, and what happened.

Usage: bitswap-protection report <audit.jsonl> [options]

  <audit.jsonl>           the log that "serve" keeps in its directory; older parts (audit.jsonl.1 and so on)
                          are read as well

Options:
  -s, --since <time>      from then on: a duration, such as 24h, or a time, such as 2026-11-22T10:00:00Z.
                          Default: from the first entry on
      --json              print one JSON object
  -h, --help              show this

Exit codes: 0 done, 1 the log cannot be read, 2 wrong arguments
`

export const reportCommand: Command = {
  name: 'report',
  summary: 'tell from an audit log how long what was available',
  help,
  async run(args: readonly string[]): Promise<ExitCode> {
    const { values, positionals } = readArguments(args, options)
    if (positionals.length !== 1) throw new UsageError('which audit log? Name one file: report <audit.jsonl>')
    // Not earlier: a typing error shall be told at once.
    const { report } = await import('./report/report.ts')
    return await report({ path: positionals[0]!, since: values.since, json: values.json })
  }
}
