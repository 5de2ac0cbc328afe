import { readArguments } from './arguments.ts'
import type { Command } from './command.ts'
import { UsageError } from './command-error.ts'
import type { ExitCode } from './exit-codes.ts'

const options = {
  config: { type: 'string', short: 'c' },
  'print-config': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h' }
} as const

const help = `Runs a protected libp2p and Helia node, channels to Bitcoin nodes, and a server that shows and steers them.

Usage: bitswap-protection serve [--config <file>] [options]

  -c, --config <file>     what it is made of; see below. Without it, everything is as it is by default

Options:
      --print-config      show the config with all that is left out, without secrets, and end
  -h, --help              show this

The config file is JSON, and all of it can be left out:
  {
    "directory": "/var/lib/bitswap-protection",
    "node": { "listen": ["/ip4/127.0.0.1/tcp/0"], "peers": ["/ip4/192.0.2.1/tcp/4001/p2p/12D3KooW..."] },
    "protection": { "mode": "enforce", "circuitBreaker": { "failureThreshold": 5, "timeout": "60s" },
                    "health": { "healthyThreshold": 0.95 }, "recovery": { "strategy": "EXPONENTIAL" } },
    "relays": [{ "primaryNodes": ["https://node-a.example:8332/"], "backupNodes": [] }],
    "pools": [{ "endpoint": "node-b.example:443", "namespace": "btc", "maxConnections": 100, "minIdle": 10 }],
    "server": { "host": "127.0.0.1", "port": 9090, "authTokenFile": "token",
                "tls": { "certificateFile": "...", "keyFile": "...", "clientAuthoritiesFile": "..." } },
    "alerts": { "connectionFailureRate": 0.05, "averageLatency": "500ms", "circuitBreakerOpen": true,
                "consecutiveFailures": 3 },
    "webhooks": { "failover": "https://...", "recovery": "https://...", "degraded": "https://...",
                  "shutdown": "https://...", "secretFile": "webhook.secret" },
    "audit": { "maxBytes": 10485760, "maxFiles": 10 },
    "history": { "interval": "10s", "maxPoints": 8640 },
    "shutdown": { "drainTimeout": "60s", "forceTimeout": "120s" }
  }
What outlives the process is kept in "directory": the key and the blocks of the node ("maxStoredBytes" in all,
10 GB if not given: those go that nobody asked for of late), what is held against peers and nodes, the audit
log (audit.jsonl) and webhooks that were not delivered. Without it nothing is.
"node": false is for none. Each of "relays" is what a config file of "relay" is: see relay --help
Durations are ms, s, m or h: "250ms", "30s". Files are looked for beside the config file.

Without a token in the config, everybody on this machine may look, and nobody steer.
SIGTERM and Ctrl-C wait for what is under way; once more, and it ends at once.

Exit codes:
  0  ended by SIGTERM or Ctrl-C       5  the state cannot be written
  1  failed, e.g. the port is taken   129, 130, 143  ended at once by SIGHUP, Ctrl-C, SIGTERM
  2  wrong arguments or config file
`

export const serveCommand: Command = {
  name: 'serve',
  summary: 'run a node, channels and a server that shows them',
  help,
  async run(args: readonly string[], signal: AbortSignal): Promise<ExitCode> {
    const { values, positionals } = readArguments(args, options)
    const [first] = positionals
    if (first !== undefined)
      throw new UsageError(`serve takes only options, but got '${first}'; a config file goes after --config`)
    // Not earlier: what follows takes time to load, and a typing error shall be told at once.
    const { serve } = await import('./serve/serve.ts')
    return await serve({ configPath: values.config, isPrinting: values['print-config'] }, signal)
  }
}
