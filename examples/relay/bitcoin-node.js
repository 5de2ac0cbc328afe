import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createCertificate } from './certificates.js'

const PROGRAM = join(import.meta.dirname, 'node-program.cjs')

/** A Bitcoin node on this machine, in a process of its own. Its chain is in memory: it is gone when the process is. */
export class BitcoinNode {
  #options
  #child

  /** Makes ports and a certificate for a node, which is not started yet. */
  static async create(folder, name) {
    const { certificate, key } = await createCertificate(name)
    const files = { certificateFile: join(folder, `${name}.pem`), keyFile: join(folder, `${name}.key`) }
    await writeFile(files.certificateFile, certificate)
    await writeFile(files.keyFile, key, { mode: 0o600 })
    const ports = { rpcPort: await freePort(), p2pPort: await freePort() }
    return new BitcoinNode(name, certificate, { ...files, ...ports, apiKey: `key of ${name}` })
  }

  constructor(name, certificate, options) {
    this.name = name
    this.certificate = certificate
    this.#options = options
  }

  /** `host:port` of its JSON-RPC. */
  get address() {
    return `127.0.0.1:${this.#options.rpcPort}`
  }

  get password() {
    return this.#options.apiKey
  }

  /** `host:port` where other nodes find it. */
  get peerAddress() {
    return `127.0.0.1:${this.#options.p2pPort}`
  }

  /** Resolves when it answers. It gets its blocks from the other node, if there is one. */
  async start(other) {
    const options = { ...this.#options, connectTo: other === undefined ? [] : [other.peerAddress] }
    this.#child = fork(PROGRAM, [JSON.stringify(options)], {
      // Its own parts in C++ do not build with present versions of Node.
      env: { ...process.env, NODE_BACKEND: 'js' },
      // bcoin uses what Node warns about.
      execArgv: ['--no-deprecation'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc']
    })
    const [what] = await Promise.race([once(this.#child, 'message'), once(this.#child, 'exit')])
    if (what !== 'ready') throw new Error(`${this.name} does not start: is bcoin installed?`)
  }

  /** Stops it in its tracks: its connections stay open, and silent. */
  freeze() {
    this.#child.kill('SIGSTOP')
  }

  thaw() {
    this.#child.kill('SIGCONT')
  }

  /** Ends it at once, frozen or not; resolves when it is gone. */
  async kill() {
    if (this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}
