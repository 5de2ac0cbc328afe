// A full node of bcoin on regtest, in memory, with TLS. It is not bcoin's own `bin/node`, since that asks servers outside for its
// own address.
const FullNode = require('bcoin/lib/node/fullnode')

/** What it listens on, who may ask it, its certificate, and `host:port` of the nodes it is to know. */
const { rpcPort, p2pPort, apiKey, certificateFile, keyFile, connectTo } = JSON.parse(process.argv[2])

const node = new FullNode({
  network: 'regtest',
  memory: true,
  workers: false,
  logLevel: 'none',
  httpHost: '127.0.0.1',
  httpPort: rpcPort,
  apiKey,
  ssl: true,
  sslCert: certificateFile,
  sslKey: keyFile,
  listen: true,
  host: '127.0.0.1',
  publicHost: '127.0.0.1',
  port: p2pPort,
  upnp: false,
  seeds: [],
  only: connectTo,
  maxOutbound: 1
})

node.pool.discoverExternal = async () => {}

// Nobody would end it if the example was killed.
process.on('disconnect', () => process.exit())

async function main() {
  await node.open()
  await node.connect()
  node.startSync()
  process.send('ready')
}

void main()
