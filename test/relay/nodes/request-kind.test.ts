import { expect, test } from 'vitest'
import { kindOf } from '../../../src/relay/nodes/request-kind.ts'

test.each([
  ['getblockcount', 'read'],
  ['getrawtransaction', 'read'],
  ['getnewaddress', 'write'],
  ['getrawchangeaddress', 'write'],
  ['getnewaddresses', 'read'],
  ['listunspent', 'read'],
  ['decoderawtransaction', 'read'],
  ['testmempoolaccept', 'read'],
  ['estimatesmartfee', 'read'],
  ['uptime', 'read'],
  ['server.ping', 'read'],
  ['blockchain.transaction.get', 'read'],
  ['blockchain.transaction.broadcast', 'broadcast'],
  ['sendrawtransaction', 'broadcast'],
  ['sendtoaddress', 'write'],
  ['submitblock', 'write'],
  ['stop', 'write'],
  ['getwork', 'write'],
  ['getworklp', 'write'],
  ['dumpwallet', 'write'],
  ['dumptxoutset', 'write'],
  ['generatetoaddress', 'write'],
  ['walletpassphrase', 'write'],
  ['importprivkey', 'write'],
  ['lockunspent', 'write'],
  ['pinged', 'write'],
  ['helper', 'write'],
  ['uptimes', 'write'],
  ['', 'write']
])('%s is a %s', (method, kind) => {
  expect(kindOf(method)).toBe(kind)
})
