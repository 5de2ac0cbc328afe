import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { killWithParent } from '../../../src/cli/swarm/child-guard.ts'
import { until } from '../../integration/support/waiting.ts'

/** A UnixFS file that a peer has; the hash is in base64. */
export interface PeerFile {
  readonly cid: string
  readonly sha256: string
  readonly sizeBytes: number
}

/** A peer that is a process of its own, and may be frozen and killed. */
export abstract class PeerProcess implements AsyncDisposable {
  protected readonly child: ChildProcessWithoutNullStreams
  /** Resolves when it has ended and all that it wrote has been read. */
  protected readonly ended: Promise<void>
  readonly #name: string
  #stderr = ''

  protected constructor(name: string, program: string, parameters: readonly string[], env = process.env) {
    this.#name = name
    this.child = spawn(program, parameters, { env })
    killWithParent(this.child)
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-8_192)
    })
    this.ended = new Promise(resolve => this.child.once('close', () => resolve()))
  }

  /** Stops it in its tracks until it is thawed: its connections stay open, and silent. */
  freeze(): Disposable {
    this.child.kill('SIGSTOP')
    return { [Symbol.dispose]: () => this.thaw() }
  }

  /** Resolves when it stands still: a thread that runs just then stops later than the signal is sent. */
  async standsStill(): Promise<void> {
    const tasks = `/proc/${this.child.pid}/task`
    const isStopped = async (id: string) => /\) T /.test(await readFile(`${tasks}/${id}/stat`, 'utf8'))
    const areStopped = async () => (await Promise.all((await readdir(tasks)).map(isStopped))).every(is => is)
    await until(areStopped, 'each of its threads has stopped')
  }

  thaw(): void {
    this.child.kill('SIGCONT')
  }

  /** Ends it at once, frozen or not. */
  kill(): void {
    this.child.kill('SIGKILL')
  }

  abstract [Symbol.asyncDispose](): Promise<void>

  protected error(what: string): Error {
    return new Error(`${this.#name}: ${what}\n${this.#stderr}`.trim())
  }
}

/** Starts peers, all at once. They end with the scope. */
export async function startPeers<Peer extends AsyncDisposable>(
  count: number,
  start: () => Promise<Peer>
): Promise<Peers<Peer>> {
  const started = await Promise.allSettled(Array.from({ length: count }, start))
  const peers = new Peers(started.flatMap(each => (each.status === 'fulfilled' ? [each.value] : [])))
  if (peers.all.length === count) return peers
  await peers[Symbol.asyncDispose]()
  throw started.find(each => each.status === 'rejected')!.reason
}

class Peers<Peer extends AsyncDisposable> implements AsyncDisposable {
  readonly all: readonly Peer[]

  constructor(all: readonly Peer[]) {
    this.all = all
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map(peer => peer[Symbol.asyncDispose]()))
  }
}
