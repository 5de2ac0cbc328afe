import { readArguments } from './arguments.ts'
import type { Command } from './command.ts'
import { UsageError } from './command-error.ts'
import type { ExitCode } from './exit-codes.ts'

const options = {
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h' }
} as const

const help = `Shows bitswap-protection at work, in about three quarters of a minute.

Usage: bitswap-protection demo [options]

Starts a small swarm of real peers on this machine: healthy, slow, mute, freezing, dying and coming back.
A stock Helia node and a protected one read a file from it at the same time. Nothing leaves the machine.

Options:
      --json  print everything as one JSON document at the end, and nothing else
  -h, --help  show this

Exit codes:
  0  the protected node read the file
  1  it did not, or the swarm could not be started
  2  wrong arguments
  129, 130, 143  ended by SIGHUP, Ctrl-C, SIGTERM
  141  the reader of standard output went away
`

export const demoCommand: Command = {
  name: 'demo',
  summary: 'see it at work on a small swarm on this machine',
  help,
  async run(args: readonly string[], signal: AbortSignal): Promise<ExitCode> {
    const { values, positionals } = readArguments(args, options)
    if (positionals.length > 0) throw new UsageError(`demo takes only options, but got '${positionals[0]}'`)
    const { runDemo } = await import('./demo/demo.ts')
    return await runDemo({ json: values.json }, signal)
  }
}
