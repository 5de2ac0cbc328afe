import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'

const root = resolve(import.meta.dirname, '../../..')

/** Keeps a process from finding the native module. */
const WITHOUT_SODIUM = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module'
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === 'sodium-native') throw new Error('it is not installed')
      return next(specifier, context)
    }
  })
`)}`

const IMPORTS = `
  import { readFileSync } from 'node:fs'
  import { memoryProtectionStatus, SecureBuffer } from './src/relay/secrets/secure-buffer.ts'
  import { GuardedRegion } from './src/relay/secrets/guarded-region.ts'
  import { loadSodium } from './src/relay/secrets/sodium.ts'
  const turn = () => new Promise(resolve => setImmediate(resolve))
`

/** What a process is to have, or not. */
export interface ProcessLimits {
  /** How much it may lock, in KiB, as a user without privileges. */
  readonly lockedKibibytes?: number
  readonly hasSodium?: boolean
}

/** Starts a process with a script in which the secrets' classes are at hand. */
function startProcess(
  script: string,
  { lockedKibibytes, hasSodium = true }: ProcessLimits = {}
): ChildProcess {
  const node = [
    process.execPath,
    ...(hasSodium ? [] : ['--import', WITHOUT_SODIUM]),
    ...['--conditions=bitswap-protection-source', '--input-type=module', '--eval', IMPORTS + script]
  ]
  const command = lockedKibibytes === undefined ? node : withoutPrivilege(lockedKibibytes, node)
  const child = spawn(command[0]!, command.slice(1), { cwd: root, stdio: ['pipe', 'pipe', 'pipe'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  return child
}

/** How a process ended, and what it said. */
export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

export async function runProcess(script: string, limits?: ProcessLimits): Promise<Ended> {
  const child = startProcess(script, limits)
  const [stdout, stderr, [code, signal]] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, 'close')
  ])
  return { code, signal, stdout, stderr }
}

/** What a process prints as JSON. @throws if it fails */
export async function resultOf<Result>(script: string, limits?: ProcessLimits): Promise<Result> {
  const { code, stdout, stderr } = await runProcess(script, limits)
  if (code !== 0) throw new Error(`The process ended with ${code}: ${stderr}`)
  return JSON.parse(stdout) as Result
}

/** Root may lock as much as it likes, unless it gives up CAP_IPC_LOCK (capabilities(7)). */
function withoutPrivilege(lockedKibibytes: number, command: readonly string[]): string[] {
  const drop = process.getuid?.() === 0 ? 'setpriv --bounding-set=-ipc_lock' : ''
  return ['bash', '-c', `ulimit -l ${lockedKibibytes} && exec ${drop} "$@"`, 'bash', ...command]
}

/** A process that does a part of its script, up to `await step()`, each time it is told to. */
export class Steps {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(script: string, limits?: ProcessLimits) {
    this.#child = startProcess(
      `
      const step = () => {
        console.log('done')
        return new Promise(resolve => process.stdin.once('data', resolve))
      }
      ${script}
      await step()
      process.exit()
      `,
      limits
    )
    this.#lines = this.#child.stdout!.setEncoding('utf8')[Symbol.asyncIterator]() as AsyncIterator<string>
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Waits until a part is done. @throws if there are no more */
  async done(): Promise<void> {
    const { value } = await this.#lines.next()
    if (value !== 'done\n') throw new Error(`The process said ${value}`)
  }

  /** Has the next part done. */
  async next(): Promise<void> {
    this.#child.stdin!.write('\n')
    await this.done()
  }
}
