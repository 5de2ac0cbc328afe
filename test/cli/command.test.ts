import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { CID } from 'multiformats/cid'
import { identity } from 'multiformats/hashes/identity'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { FetchResult } from '../../src/cli/fetch.ts'
import { makeBytes } from '../../src/cli/swarm/blocks.ts'
import { Swarm } from '../../src/cli/swarm/swarm.ts'

// There may be much else to do for the machine, and processes take their time to start.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const root = resolve(import.meta.dirname, '../..')
const main = join(root, 'src/cli/main.ts')
const POLLING = { timeout: 20_000, interval: 20 }

/** Starts the command in a process of its own. */
function start(args: readonly string[], nodeOptions: readonly string[] = []): ChildProcess {
  const child = spawn(
    process.execPath,
    ['--conditions=bitswap-protection-source', ...nodeOptions, main, ...args],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' }
    }
  )
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  return child
}

interface Ended {
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

async function end(child: ChildProcess): Promise<Ended> {
  const [stdout, stderr, [code]] = await Promise.all([
    buffer(child.stdout!),
    text(child.stderr!),
    once(child, 'close')
  ])
  return { code, stdout, stderr }
}

function run(...args: readonly string[]): Promise<Ended> {
  return end(start(args))
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'command-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

describe('the program', () => {
  test('without arguments says what there is, and that this was wrong', async () => {
    const { code, stdout, stderr } = await run()
    expect(code).toBe(2)
    expect(stdout).toHaveLength(0)
    expect(stderr).toContain('Usage: bitswap-protection <command> [options]')
  })

  test.each([
    [['--help'], 'Usage: bitswap-protection <command>'],
    [['-h'], 'Usage: bitswap-protection <command>'],
    [['help'], 'Usage: bitswap-protection <command>'],
    [['help', 'fetch'], 'Usage: bitswap-protection fetch'],
    [['fetch', '--help'], 'Usage: bitswap-protection fetch'],
    [['fetch', 'nonsense', '--wrong', '-h'], 'Usage: bitswap-protection fetch'],
    [['relay', '--help'], 'Usage: bitswap-protection relay'],
    [['demo', '--help'], 'Usage: bitswap-protection demo']
  ])('%j shows help', async (args, usage) => {
    const { code, stdout, stderr } = await run(...args)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.toString()).toContain(usage)
    for (const line of stdout.toString().split('\n')) expect(line.length).toBeLessThanOrEqual(110)
  })

  test.each([['--version'], ['-v']])('%s is that of the package', async option => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    expect(await run(option)).toEqual({ code: 0, stdout: Buffer.from(`${version}\n`), stderr: '' })
  })

  test.each([
    [['fech'], "unknown command 'fech'; did you mean 'fetch'?"],
    [['remove'], "unknown command 'remove'; there are fetch, relay, serve, report and demo"],
    [['help', 'fech'], "unknown command 'fech'; did you mean 'fetch'?"],
    [['--hlep'], 'unknown option --hlep; did you mean --help?'],
    [['--json'], 'unknown option --json; options of a command come after it'],
    [['fetch'], 'which file? Name its CID: fetch <cid> --peer <multiaddr>'],
    [['fetch', '--pear', 'x'], 'unknown option --pear; did you mean --peer?'],
    [['demo', 'now'], "demo takes only options, but got 'now'"],
    [['demo', '--jsno'], 'unknown option --jsno; did you mean --json?']
  ])('%j is refused in one line', async (args, message) => {
    const { code, stdout, stderr } = await run(...args)
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toBe(`bitswap-protection: ${message}\n`)
  })

  test.each([
    [['--help']],
    [['--version']],
    [['fetch', '--help']],
    [['fetch', 'nonsense', '--peer', 'nonsense']],
    [['demo', 'nonsense']]
  ])('%j loads no Helia', async args => {
    const listing = `data:text/javascript,${encodeURIComponent(`
      import { registerHooks } from 'node:module'
      const loaded = []
      registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context) } })
      process.on('exit', () => console.error('loaded ' + JSON.stringify(loaded)))
    `)}`
    const { stderr } = await end(start(args, ['--import', listing]))
    const loaded = JSON.parse(stderr.slice(stderr.lastIndexOf('loaded ') + 7)) as string[]
    expect(loaded.length).toBeGreaterThan(5)
    expect(loaded.filter(url => /node_modules\/(helia|libp2p|@helia)\//.test(url))).toEqual([])
  })
})

/** Of more blocks than one can list, so that there is a level between. */
const FILE = { seed: 1, sizeBytes: 1_100_000, chunkBytes: 1000 }
const SLOW_FILE = { seed: 2, sizeBytes: 400_000, chunkBytes: 1000 }
/** UnixFS for an empty directory, all in its name. */
const DIRECTORY = CID.createV1(0x70, identity.digest(Uint8Array.of(0x0a, 2, 8, 1))).toString()
/** Nobody has it. */
const MISSING = 'bafybeihyr4s57jjywzekxhfjgujbaxgx5x57fyzliqk2xa5la6q5ja6chm'
/** A port on which nobody listens. */
const NOBODY = '/ip4/127.0.0.1/tcp/9/p2p/12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'

describe('fetch', () => {
  let swarm: Swarm
  let cid: string
  let slowCid: string

  beforeAll(async () => {
    swarm = await Swarm.start([
      { name: 'near' },
      { name: 'thinking', answerDelayMs: 200 },
      { name: 'pondering', answerDelayMs: 250 },
      { name: 'mute', fault: 'mute' }
    ])
    const files = swarm.peers.map(peer => Promise.all([peer.addFile(FILE), peer.addFile(SLOW_FILE)]))
    const roots = await Promise.all(files)
    ;[cid, slowCid] = roots[0]!
  })

  afterAll(async () => {
    await swarm[Symbol.asyncDispose]()
  })

  function from(...names: readonly string[]): string[] {
    return names.flatMap(name => ['--peer', swarm.peer(name).multiaddr])
  }

  test('writes a file of several levels, byte by byte', async () => {
    const path = join(await newFolder(), 'file')
    const { code, stdout, stderr } = await run('fetch', cid, ...from('near', 'mute'), '-o', path)
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: '' })
    expect(stderr).toMatch(/^fetched .+: 1\.1 MB in .+ m?s, .+\/s, from 1 peer\n$/)
    expect((await readFile(path)).equals(makeBytes(FILE))).toBe(true)
  })

  test('writes to standard output, and there only the file', async () => {
    const { code, stdout, stderr } = await run('fetch', cid, ...from('near'), '--quiet')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.equals(makeBytes(FILE))).toBe(true)
  })

  test('tells everything as JSON', async () => {
    const path = join(await newFolder(), 'file')
    const { code, stdout, stderr } = await run('fetch', cid, ...from('near', 'mute'), '-o', path, '--json')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const result = JSON.parse(stdout.toString()) as FetchResult
    expect(result).toMatchObject({
      ok: true,
      exitCode: 0,
      cid,
      output: path,
      bytes: 1_100_000,
      totalBytes: 1_100_000,
      error: null
    })
    expect(result.peers.map(({ isConnected, blocks }) => ({ isConnected, blocks }))).toEqual([
      { isConnected: true, blocks: result.blocks },
      { isConnected: true, blocks: 0 }
    ])
    expect(result.peers[0]!.protection).toMatchObject({ circuitState: 'CLOSED', lastTrouble: '' })
  })

  test('goes on when the peer that gives it the file freezes', async () => {
    const thinking = swarm.peer('thinking')
    const path = join(await newFolder(), 'file')
    const before = (await thinking.stats()).blocksSent
    const fetching = end(start(['fetch', slowCid, ...from('thinking', 'pondering'), '-o', path, '--json']))
    await expect.poll(async () => (await thinking.stats()).blocksSent, POLLING).toBeGreaterThan(before)
    thinking.freeze()
    onTestFinished(() => thinking.thaw())
    const { code, stdout } = await fetching
    const { peers } = JSON.parse(stdout.toString()) as FetchResult
    expect(code).toBe(0)
    expect((await readFile(path)).equals(makeBytes(SLOW_FILE))).toBe(true)
    expect(peers[1]!.blocks).toBeGreaterThan(0)
  })

  test('needs only one peer that can be reached', async () => {
    const { code, stdout } = await run('fetch', cid, '--peer', NOBODY, ...from('near'), '-q')
    expect(code).toBe(0)
    expect(stdout).toHaveLength(1_100_000)
  })

  test('says of each peer why it could not be reached', async () => {
    const [near, thinking] = [swarm.peer('near'), swarm.peer('thinking')]
    const mixedUp = near.multiaddr.replace(near.peerId, thinking.peerId)
    const { code, stderr } = await run('fetch', cid, '--peer', NOBODY, '--peer', mixedUp)
    expect(code).toBe(3)
    expect(stderr.split('\n')).toEqual([
      'bitswap-protection: none of the 2 peers could be reached',
      '  12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5: connection refused',
      `  ${thinking.peerId}: another peer answers there`,
      ''
    ])
  })

  test('gives up when nothing comes, and says what it knows of the peers', async () => {
    const { code, stderr } = await run('fetch', MISSING, ...from('near', 'mute'), '--timeout', '2.5')
    expect(code).toBe(4)
    const [summary, near, mute] = stderr.split('\n')
    expect(summary).toBe('bitswap-protection: no progress for 2.5 s; nothing of the file came')
    // What else is said of them is up to the protection; how, is tested with the text of a report.
    expect(near).toMatch(new RegExp(`^  ${swarm.peer('near').peerId}: .+, 0 blocks, CLOSED, UNKNOWN`))
    expect(mute).toMatch(new RegExp(`^  ${swarm.peer('mute').peerId}: .+, 0 blocks, CLOSED, UNKNOWN`))
  })

  test('tells also as JSON that it failed, on standard error while standard output is for the file', async () => {
    const { code, stdout, stderr } = await run('fetch', MISSING, ...from('mute'), '-t', '1', '--json')
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 4, stdout: '' })
    expect(JSON.parse(stderr)).toMatchObject({
      ok: false,
      exitCode: 4,
      error: 'no progress for 1 s; nothing of the file came',
      output: null,
      totalBytes: null,
      peers: [{ peerId: swarm.peer('mute').peerId, blocks: 0 }]
    })
  })

  test('refuses a directory', async () => {
    const folder = await newFolder()
    const { code, stderr } = await run('fetch', DIRECTORY, ...from('near'), '-o', join(folder, 'file'))
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `bitswap-protection: not a file: ${DIRECTORY} is a directory\n`
    })
    expect(await readdir(folder)).toEqual([])
  })

  test('refuses a place it cannot write to', async () => {
    const { code, stderr } = await run('fetch', cid, ...from('near'), '-o', tmpdir())
    expect({ code, stderr }).toEqual({
      code: 5,
      stderr: `bitswap-protection: cannot write ${tmpdir()}: it is a directory; name a file\n`
    })
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143]
  ] as const)('leaves nothing behind on %s', async (signal, exitCode) => {
    const folder = await newFolder()
    await writeFile(join(folder, 'file'), 'old')
    const child = start(['fetch', MISSING, ...from('mute'), '-o', join(folder, 'file')])
    const ended = end(child)
    await expect.poll(() => readdir(folder), POLLING).toHaveLength(2)
    child.kill(signal)
    expect(await ended).toMatchObject({ code: exitCode, stderr: '' })
    expect(await readdir(folder)).toEqual(['file'])
    expect(await readFile(join(folder, 'file'), 'utf8')).toBe('old')
  })

  test('ends in silence when nobody reads its output any more', async () => {
    const child = start(['fetch', cid, ...from('near')])
    const stderr = text(child.stderr!)
    await once(child.stdout!, 'data')
    child.stdout!.destroy()
    expect((await once(child, 'close'))[0]).toBe(141)
    expect(await stderr).toBe('')
  })
})

/** The processes a process has started, by number. */
function childrenOf(pid: number): number[] {
  const path = `/proc/${pid}/task/${pid}/children`
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split(' ').filter(Boolean).map(Number) : []
}

describe('demo', () => {
  test.runIf(process.platform === 'linux')(
    'leaves no peer behind on Ctrl-C, frozen ones neither',
    async () => {
      const child = start(['demo'])
      child.stdout!.setEncoding('utf8')
      let told = ''
      child.stdout!.on('data', (part: string) => {
        told += part
      })
      await expect.poll(() => told, POLLING).toContain('comeback: frozen by SIGSTOP')
      const peers = childrenOf(child.pid!)
      expect(peers).toHaveLength(7)
      child.kill('SIGINT')
      expect((await once(child, 'close'))[0]).toBe(130)
      expect(peers.filter(pid => existsSync(`/proc/${pid}`))).toEqual([])
      expect(told).not.toContain('\x1b')
    }
  )
})
