import { ChildProgram } from '../../../../../src/cli/swarm/child-program.ts'
import type { Fault } from './fault.ts'
import { FRONT_HOST } from './faulty-front.ts'
import type { Identities, ServerCommands, ServiceKind } from './soak-commands.ts'

/** Much longer than it takes, in ms. */
const ANSWER_LIMIT_MS = 20_000

/** A server in a process of its own, to which anything can happen; always at the same address. */
export class SoakServer implements AsyncDisposable {
  readonly #kind: ServiceKind
  readonly #identities: Identities
  #child: ChildProgram<ServerCommands>
  #port = 0
  #fault: Fault | undefined

  static async start(kind: ServiceKind, identities: Identities): Promise<SoakServer> {
    const server = new SoakServer(kind, identities)
    await server.#start()
    return server
  }

  private constructor(kind: ServiceKind, identities: Identities) {
    this.#kind = kind
    this.#identities = identities
    this.#child = serverChild()
  }

  /** `host:port`. */
  get endpoint(): string {
    return `${FRONT_HOST}:${this.#port}`
  }

  async fail(fault: Fault): Promise<void> {
    this.#fault = fault
    if (fault === 'stop') this.#child.freeze()
    else if (fault === 'kill') await this.#child.kill()
    else await this.#child.call('fail', fault)
  }

  /** Resolves when it is well again. */
  async heal(): Promise<void> {
    const fault = this.#fault
    this.#fault = undefined
    if (fault === 'stop') this.#child.thaw()
    else if (fault === 'kill') {
      this.#child = serverChild()
      await this.#start()
    } else await this.#child.call('heal')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]()
  }

  async #start(): Promise<void> {
    this.#port = await this.#child.call('start', this.#kind, this.#identities, this.#port)
  }
}

function serverChild(): ChildProgram<ServerCommands> {
  return new ChildProgram({
    name: 'A server',
    program: new URL('./server-program.ts', import.meta.url),
    stderr: 'keep',
    answerLimitMs: ANSWER_LIMIT_MS
  })
}
