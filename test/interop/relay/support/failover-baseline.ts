import type { BcoinNode } from './bcoin-node.ts'

/**
 * What one would take HAProxy for: it asks the first node, and while that is away the second. It finds out by asking for the
 * height twice a second, and believes it at the second time in vain.
 *
 * @returns lines of a listener
 */
export function failoverBaseline(primary: BcoinNode, backup: BcoinNode): string[] {
  const check = 'check inter 500ms fall 2 rise 2'
  const authorization = `Basic ${btoa(primary.credentials)}`
  return [
    'mode http',
    'timeout server 1s',
    'timeout check 500ms',
    'retries 3',
    'option redispatch 1',
    'retry-on all-retryable-errors',
    'option httpchk',
    `http-check send meth POST uri / ver HTTP/1.1 hdr Host node hdr Authorization "${authorization}" body "{\\"method\\":\\"getblockcount\\"}"`,
    'http-check expect status 200',
    `server primary 127.0.0.1:${primary.rpcPort} ${check}`,
    `server backup 127.0.0.1:${backup.rpcPort} ${check} backup`
  ]
}
