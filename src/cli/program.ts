import type { Command } from './command.ts'
import { CommandError, UsageError } from './command-error.ts'
import { demoCommand } from './demo-command.ts'
import { type ExitCode, exitCodes } from './exit-codes.ts'
import { fetchCommand } from './fetch-command.ts'
import { InterruptedError } from './interruption.ts'
import { nearest } from './nearest.ts'
import { packageVersion } from './package-version.ts'
import { relayCommand } from './relay-command.ts'
import { reportCommand } from './report-command.ts'
import { serveCommand } from './serve-command.ts'

const NAME = 'bitswap-protection'

const listed = new Intl.ListFormat('en-GB')

const commands: readonly Command[] = [fetchCommand, relayCommand, serveCommand, reportCommand, demoCommand]

const help = `Keeps Bitswap fetches fast when peers stall or vanish.

Usage: ${NAME} <command> [options]

Commands:
${commands.map(({ name, summary }) => `  ${name.padEnd(8)} ${summary}`).join('\n')}

Options:
  -h, --help     show this, or the help of a command: ${NAME} fetch --help
  -v, --version  show the version

Exit codes: 0 done, 1 failed, 2 wrong arguments; a command's own stand in its help.
`

/** Does what the arguments say and tells about it. Never throws. */
export async function runProgram(args: readonly string[], signal: AbortSignal): Promise<ExitCode> {
  try {
    return await dispatch(args, signal)
  } catch (error) {
    return report(error)
  }
}

async function dispatch(args: readonly string[], signal: AbortSignal): Promise<ExitCode> {
  const [first, ...rest] = args
  if (first === undefined) {
    process.stderr.write(help)
    return exitCodes.usage
  }
  if (first === '--version' || first === '-v') return show(`${await packageVersion()}\n`)
  if (first === '--help' || first === '-h') return show(help)
  if (first === 'help') return show(rest[0] === undefined ? help : find(rest[0]).help)
  const command = find(first)
  return asksForHelp(rest) ? show(command.help) : await command.run(rest, signal)
}

function find(name: string): Command {
  const command = commands.find(each => each.name === name)
  if (command !== undefined) return command
  if (name.startsWith('-')) {
    const meant = nearest(name, ['--help', '--version'])
    throw new UsageError(
      `unknown option ${name}; ${meant === undefined ? 'options of a command come after it' : `did you mean ${meant}?`}`
    )
  }
  const names = commands.map(each => each.name)
  const meant = nearest(name, names)
  throw new UsageError(
    `unknown command '${name}'; ${meant === undefined ? `there are ${listed.format(names)}` : `did you mean '${meant}'?`}`
  )
}

function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return args.slice(0, end === -1 ? undefined : end).some(arg => arg === '--help' || arg === '-h')
}

function show(text: string): ExitCode {
  process.stdout.write(text)
  return exitCodes.ok
}

function report(error: unknown): ExitCode {
  if (!(error instanceof CommandError)) {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error)
    process.stderr.write(`${NAME}: this should not have happened: ${what}\n`)
    return exitCodes.failed
  }
  // Whoever pressed Ctrl-C or closed the pipe knows.
  if (!(error instanceof InterruptedError)) {
    const lines = [`${NAME}: ${error.message}`, ...error.details.map(detail => `  ${detail}`)]
    process.stderr.write(`${lines.join('\n')}\n`)
  }
  return error.exitCode
}
