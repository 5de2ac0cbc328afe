import { readArguments } from './arguments.ts'
import type { Command } from './command.ts'
import type { ExitCode } from './exit-codes.ts'

const DEFAULT_EVERY = '1s'

const options = {
  config: { type: 'string', short: 'c' },
  every: { type: 'string', short: 'e', default: DEFAULT_EVERY },
  for: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h' }
} as const

const help = `Uses several Bitcoin nodes as one, over TLS 1.3, and shows how each of them does.

Usage: bitswap-protection relay --config <file> [options]

  -c, --config <file>     which nodes there are, and how they are used; see below

Options:
  -e, --every <duration>  how often the nodes are asked for the height of the chain. Default: ${DEFAULT_EVERY}
      --for <duration>    end after so long. Default: on Ctrl-C
      --json              print one JSON object a line: events, statuses (one each --every), a summary
  -h, --help              show this

The config file is JSON. Only primaryNodes has to be there. Numbers and durations here are those that are used
if left out, but for the last two: by default, requests per second have no limit.
  {
    "primaryNodes": ["https://node-a.example:8332/", "node-b.example:8332"],
    "backupNodes": [{ "address": "node-c.example:8332", "username": "me", "passwordFile": "c.password" }],
    "tls": { "serverName": "...", "roots": ["ca.pem"], "pins": ["sha256/..."], "connectTimeout": "5s",
             "certificateFile": "...", "keyFile": "...", "passphraseFile": "...", "alpnProtocols": [] },
    "circuitBreaker": { "failureThreshold": 5, "successThreshold": 3, "timeout": "30s", "maxRequests": 10 },
    "healthCheck": { "interval": "5s", "timeout": "3s", "retries": 3, "probeTimeout": "250ms" },
    "shutdown": { "drainTimeout": "60s", "forceTimeout": "120s", "preserveState": true,
                  "stateFile": "relay.state" },
    "requestTimeout": "10s", "hedgeAfter": "250ms", "maxRetries": 3, "retryShare": 0.2, "maxLagBlocks": 2,
    "maxConnections": 8, "allowLoopbackHttp": false, "maxRequestsPerS": 100, "maxNodeRequestsPerS": 50
  }
A node that speaks Electrum's protocol is ssl://host:port; a node may have a "password", and "tls" of its own.
With allowLoopbackHttp, one on this machine may be spoken to without TLS, http://127.0.0.1:8332, and may have
Bitcoin Core's "cookieFile" instead of user name and password.
Durations are ms, s, m or h: "250ms", "30s". Files are looked for beside the config file.

Ctrl-C waits for what is under way, and tells how it was; once more, and it ends at once.

Exit codes:
  0  a node has answered              5  the state, or standard output, cannot be written
  1  failed, e.g. a damaged state     129, 130, 143  ended at once by SIGHUP, Ctrl-C, SIGTERM
  2  wrong arguments or config file   141  the reader of standard output went away
  3  no node has answered
`

export const relayCommand: Command = {
  name: 'relay',
  summary: 'use several Bitcoin nodes as one, and see how each does',
  help,
  async run(args: readonly string[], signal: AbortSignal): Promise<ExitCode> {
    const { values, positionals } = readArguments(args, options)
    // Not earlier: what follows takes time to load, and a typing error shall be told at once.
    const { relayRequest } = await import('./relay/relay-request.ts')
    const request = relayRequest({
      positionals,
      config: values.config,
      every: values.every,
      for: values.for
    })
    const { watchNodes } = await import('./relay/watch-nodes.ts')
    return await watchNodes(request, { json: values.json }, signal)
  }
}
