import { readArguments } from './arguments.ts'
import type { Command } from './command.ts'
import type { ExitCode } from './exit-codes.ts'

const DEFAULT_TIMEOUT_S = '30'

const options = {
  peer: { type: 'string', short: 'p', multiple: true, default: [] as string[] },
  output: { type: 'string', short: 'o' },
  timeout: { type: 'string', short: 't', default: DEFAULT_TIMEOUT_S },
  json: { type: 'boolean', default: false },
  quiet: { type: 'boolean', short: 'q', default: false },
  help: { type: 'boolean', short: 'h' }
} as const

const help = `Fetches a file from the peers you name, and does not wait for those of them that stall.

Usage: bitswap-protection fetch <cid> --peer <multiaddr> [--peer <multiaddr> ...] [options]

  <cid>                     the file: a UnixFS file or a raw block (bafy..., bafk..., Qm...)
  -p, --peer <multiaddr>    a peer that has it, e.g. /ip4/192.0.2.1/tcp/4001/p2p/12D3KooW...;
                            once for each. No other peer is looked for or talked to.

Options:
  -o, --output <file>       where to write it; it appears there when it is complete, in place of what
                            was there. Default, or -: standard output
  -t, --timeout <seconds>   give up after so long without progress. Default: ${DEFAULT_TIMEOUT_S}
      --json                print the result as one JSON object, also if it fails: to standard output
                            with -o, to standard error without
  -q, --quiet               no progress, only errors
  -h, --help                show this

Every block is checked against its hash. With several peers, those that stall, vanish or answer late are
passed over until they behave; with a single one, there is nobody to turn to, and it is only watched.

Exit codes:
  0  fetched                          5  cannot write
  1  failed, e.g. not a file        129  ended by SIGHUP
  2  wrong arguments                130  ended by Ctrl-C
  3  no peer could be reached       141  the reader of standard output went away
  4  no progress for too long       143  ended by SIGTERM
`

export const fetchCommand: Command = {
  name: 'fetch',
  summary: 'fetch a file from given peers',
  help,
  async run(args: readonly string[], signal: AbortSignal): Promise<ExitCode> {
    const { values, positionals } = readArguments(args, options)
    // Not earlier: what follows takes time to load, and a typing error shall be told at once.
    const { fetchRequest } = await import('./fetch-request.ts')
    const request = fetchRequest({
      positionals,
      peers: values.peer,
      output: values.output,
      timeout: values.timeout
    })
    const { fetchAndTell } = await import('./fetch.ts')
    return await fetchAndTell(request, { json: values.json, quiet: values.quiet }, signal)
  }
}
