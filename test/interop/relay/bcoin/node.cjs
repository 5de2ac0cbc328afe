'use strict'

// A full node of bcoin on regtest, in memory, on 127.0.0.1. It is not bcoin's own `bin/node`, since that asks servers outside
// for its own address.
const FullNode = require('bcoin/lib/node/fullnode')

/** `{ rpcPort, p2pPort, apiKey, connectTo }`: what it listens on, and `host:port` of the nodes it is to know. */
const { rpcPort, p2pPort, apiKey, connectTo } = JSON.parse(process.argv[2])

const node = new FullNode({
  network: 'regtest',
  memory: true,
  workers: false,
  logLevel: 'warning',
  logConsole: true,
  httpHost: '127.0.0.1',
  httpPort: rpcPort,
  apiKey,
  listen: true,
  host: '127.0.0.1',
  publicHost: '127.0.0.1',
  port: p2pPort,
  upnp: false,
  seeds: [],
  only: connectTo,
  // None at all is not accepted.
  maxOutbound: Math.max(1, connectTo.length)
})

node.pool.discoverExternal = async () => {}

process.on('unhandledRejection', error => {
  throw error
})

async function main() {
  await node.open()
  await node.connect()
  node.startSync()
}

void main()
