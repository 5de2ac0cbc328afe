import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { BcoinNode } from './support/bcoin-node.ts'
import { Daemon, newFolder } from './support/daemon.ts'
import { freePort } from './support/free-port.ts'
import { handshake } from './support/handshake.ts'

// docs/NODES.md, done as it says.

const root = join(import.meta.dirname, '../../..')
const guide = readFileSync(join(root, 'docs/NODES.md'), 'utf8')

/** What stands in the guide as a block of a kind. */
function blocks(kind: string): string[] {
  return Array.from(guide.matchAll(/^```(\w+)\n(.*?)^```$/gms), ([, given, content]) => ({
    given,
    content: content!
  }))
    .filter(({ given }) => given === kind)
    .map(({ content }) => content)
}

const [makeServer, makeClient, watch] = blocks('sh') as [string, string, string]
const [stunnel, stunnelClients] = blocks('ini') as [string, string]
const [haproxy] = blocks('haproxy') as [string]
const [config, localConfig] = blocks('json') as [string, string]

const BLOCKS = 3

const stack = new AsyncDisposableStack()
let node: BcoinNode
let folder: string

beforeAll(async () => {
  node = stack.use(await BcoinNode.start())
  await node.mine(BLOCKS)
  folder = await newFolder('guide')
  await writeFile(join(folder, 'client.passphrase'), 'open sesame\n')
  await writeFile(join(folder, 'node.password'), node.apiKey)
  for (const commands of [makeServer, makeClient, 'cat node.crt node.key > node.pem'])
    expect(await run(commands)).toMatchObject({ code: 0 })
})

afterAll(() => stack.disposeAsync())

/** Does in the folder what is to be done in a shell. */
async function run(commands: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn('bash', ['-euc', commands], { cwd: folder })
  const ended = new Promise<number>(resolve => child.once('close', code => resolve(code ?? -1)))
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { code, stdout, stderr }
}

/** The same, where this package is not installed. */
function relay(more: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const command = `${process.execPath} --conditions=bitswap-protection-source ${join(root, 'src/cli/main.ts')}`
  return run(`${watch.trim().replace('npx bitswap-protection', command)} ${more}`)
}

/** What ends TLS, by a file of the guide, on a port of its own. */
async function startTerminator(
  name: 'stunnel' | 'haproxy',
  content: string
): Promise<Daemon & { port: number }> {
  const port = await freePort()
  const file = `${name}.conf`
  const local = content
    .replace(/^accept = /m, 'accept = 127.0.0.1:')
    .replace('bind :', 'bind 127.0.0.1:')
    .replaceAll('8432', String(port))
    .replaceAll('8332', String(node.rpcPort))
  await writeFile(join(folder, file), local)
  const parameters = name === 'haproxy' ? '-db -f' : ''
  const command = {
    name,
    program: 'bash',
    parameters: ['-c', `cd ${folder} && exec ${inject(name)} ${parameters} ${file}`]
  }
  return Object.assign(await Daemon.start(command, () => handshake(port)), { port })
}

interface Config {
  primaryNodes: object[]
  readonly tls: Record<string, unknown>
}

/** The file of the guide, for a node on this machine. */
async function writeConfig(port: number, change: (config: Config) => void = () => {}): Promise<void> {
  const pins = await Promise.all(['node', 'next'].map(name => readFile(join(folder, `${name}.pin`), 'utf8')))
  const written = JSON.parse(config.replaceAll('sha256/…', () => `sha256/${pins.shift()!.trim()}`))
  expect(written.primaryNodes[0].address).toBe('node-a.example:8432')
  written.primaryNodes[0].address = `127.0.0.1:${port}`
  written.tls.serverName = 'node-a.example'
  change(written)
  await writeFile(join(folder, 'nodes.json'), JSON.stringify(written))
}

/** Runs the command for a second. Returns the last it tells of how things stand. */
async function isWatched(): Promise<unknown> {
  const { code, stdout, stderr } = await relay('--json --every 200ms --for 1s')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const lines = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>)
  const status = lines.findLast(({ type }) => type === 'status')
  expect(status).toMatchObject({ height: BLOCKS })
  return status
}

test.each([
  ['stunnel', stunnel + stunnelClients],
  ['haproxy', haproxy.replace(/^( *bind .*)$/m, '$1 ca-file clients.crt verify required')]
] as const)('a node behind %s is watched, by who has a certificate', async (name, content) => {
  await using terminator = await startTerminator(name, content)
  await writeConfig(terminator.port)
  await isWatched()
  await writeConfig(terminator.port, ({ tls }) => {
    for (const key of ['certificateFile', 'keyFile', 'passphraseFile']) delete tls[key]
  })
  const { code, stdout } = await relay('--every 200ms --for 1s')
  expect(code).toBe(3)
  expect(stdout).toContain('it wants a certificate of ours')
})

test('a node on this machine needs no TLS, and its cookie will do', async () => {
  await using terminator = await startTerminator('stunnel', stunnel)
  await writeFile(join(folder, '.cookie'), `__cookie__:${node.apiKey}`)
  await writeConfig(terminator.port, config => {
    const { allowLoopbackHttp, primaryNodes, backupNodes } = JSON.parse(localConfig)
    expect(backupNodes[0]).toEqual({ ...config.primaryNodes[0], address: 'node-a.example:8432' })
    const address = primaryNodes[0].address.replace('8332', node.rpcPort)
    Object.assign(config, {
      allowLoopbackHttp,
      primaryNodes: [{ ...primaryNodes[0], address, cookieFile: '.cookie' }],
      backupNodes: config.primaryNodes
    })
  })
  expect(await isWatched()).toMatchObject({
    nodes: [
      { endpoint: `127.0.0.1:${node.rpcPort}`, role: 'primary', state: 'up' },
      { endpoint: `127.0.0.1:${terminator.port}`, role: 'backup', state: 'up' }
    ]
  })
})

test('the next key takes the place of the first one', async () => {
  await using terminator = await startTerminator('stunnel', stunnel.replaceAll('= node.', '= next.'))
  await writeConfig(terminator.port)
  await isWatched()
})
