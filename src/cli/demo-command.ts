import { readArguments } from './arguments.ts'
import type { Command } from './command.ts'
import type { ExitCode } from './exit-codes.ts'

const options = {
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h' }
} as const

const help = `todo
`

export const demoCommand: Command = {
  name: 'demo',
  summary: 'see it at work on a small swarm on this machine',
  help,
  async run(args: readonly string[], _signal: AbortSignal): Promise<ExitCode> {
    readArguments(args, options)
    return 0
  }
}
