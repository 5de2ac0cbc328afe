import { BcoinNode } from '../../test/interop/relay/support/bcoin-node.ts'
import { failoverBaseline } from '../../test/interop/relay/support/failover-baseline.ts'
import { Authority } from '../../test/relay/support/certificates.ts'
import { frontChild } from './children.ts'
import { type Access, type HeightClient, ourClient, plainClient } from './clients.ts'
import { HaProxy } from './haproxy.ts'

/** Something that becomes of the primary node. */
export type Fault = 'SIGKILL' | 'SIGSTOP' | 'RST' | 'TLS-dead'

export const faults: readonly Fault[] = ['SIGKILL', 'SIGSTOP', 'RST', 'TLS-dead']

/** Who reads: ours, or a plain client of HAProxy that tries out nodes by connecting, or by asking for the height. */
export type Arm = 'ours' | 'HAProxy, tcp check' | 'HAProxy, application check'

export const arms: readonly Arm[] = ['ours', 'HAProxy, tcp check', 'HAProxy, application check']

/** Blocks by which the nodes are told apart; so few that neither is out of date. */
const PRIMARY_BLOCKS = 1
const BACKUP_BLOCKS = 2

/** Listeners of HAProxy as the one that is compared: by their checks, and to a primary node with a front, or without. */
type Listener = 'tcp' | 'app' | 'tcp-front' | 'app-front'

/**
 * Two nodes of bcoin, that have nothing to do with one another, and who stands before them:
 *
 * - of ours, HAProxy that only ends TLS, one listener for each node
 * - of HAProxy as the one that is compared, nobody: it connects to them without TLS, as it would on their machine
 *
 * What resets connections, or says nothing, is a front before that of the primary node. Only where that is the fault, it is in
 * the way.
 */
export class FailoverRig implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack
  readonly #primary: BcoinNode
  readonly #access: Access
  readonly #terminator: HaProxy<'primary' | 'backup'>
  readonly #baseline: HaProxy<Listener>
  readonly #front: ReturnType<typeof frontChild>
  /** Port of the front of the primary node that speaks TLS. */
  readonly #frontPort: number

  /** @param haproxy - its path */
  static async start(haproxy: string): Promise<FailoverRig> {
    await using stack = new AsyncDisposableStack()
    const primary = stack.use(await BcoinNode.start())
    const backup = stack.use(await BcoinNode.start())
    await primary.mine(PRIMARY_BLOCKS)
    await backup.mine(BACKUP_BLOCKS)
    const authority = await Authority.create()
    const identity = await authority.issue({ addresses: ['127.0.0.1'] })
    const terminator = stack.use(
      await HaProxy.start(haproxy, identity, {
        primary: [`server node 127.0.0.1:${primary.rpcPort}`],
        backup: [`server node 127.0.0.1:${backup.rpcPort}`]
      })
    )
    const front = stack.use(frontChild())
    const [frontPort, plainPort] = (await front.call('start', [
      terminator.port('primary'),
      primary.rpcPort
    ])) as [number, number]
    const app = failoverBaseline(primary, backup)
    const tcp = app.filter(line => !/^(option httpchk|http-check)/.test(line))
    const inFront = (lines: readonly string[]): string[] =>
      lines.map(line => line.replace(`:${primary.rpcPort} `, `:${plainPort} `))
    const baseline = stack.use(
      await HaProxy.start(haproxy, identity, {
        tcp,
        app,
        'tcp-front': inFront(tcp),
        'app-front': inFront(app)
      })
    )
    const [username, password] = primary.credentials.split(':') as [string, string]
    const access = { root: authority.certificate, username, password }
    return new FailoverRig(stack.move(), primary, access, terminator, baseline, front, frontPort)
  }

  private constructor(
    stack: AsyncDisposableStack,
    primary: BcoinNode,
    access: Access,
    terminator: HaProxy<'primary' | 'backup'>,
    baseline: HaProxy<Listener>,
    front: ReturnType<typeof frontChild>,
    frontPort: number
  ) {
    this.#stack = stack
    this.#primary = primary
    this.#access = access
    this.#terminator = terminator
    this.#baseline = baseline
    this.#front = front
    this.#frontPort = frontPort
  }

  /** A new client, that sees a fault. */
  async client(arm: Arm, fault: Fault): Promise<HeightClient> {
    const isFront = isOfFront(fault)
    if (arm === 'ours')
      return ourClient(
        isFront ? this.#frontPort : this.#terminator.port('primary'),
        this.#terminator.port('backup'),
        this.#access
      )
    const check = arm === 'HAProxy, tcp check' ? 'tcp' : 'app'
    return plainClient(this.#baseline.port(isFront ? `${check}-front` : check), this.#access)
  }

  /** Which node a height is of. One that was started again has fewer blocks at first. */
  nodeOf(height: number): 'primary' | 'backup' {
    return height === BACKUP_BLOCKS ? 'backup' : 'primary'
  }

  /** Resolves as soon as it is so. */
  async inflict(fault: Fault): Promise<void> {
    if (fault === 'SIGKILL') await this.#primary.kill()
    else if (fault === 'SIGSTOP') this.#primary.stop()
    else await this.#front.call('setFault', fault === 'RST' ? 'reset' : 'mute')
  }

  /** Resolves as soon as the primary node answers again. */
  async mend(fault: Fault): Promise<void> {
    if (fault === 'SIGKILL') await this.#primary.restart()
    else if (fault === 'SIGSTOP') this.#primary.resume()
    else await this.#front.call('setFault', 'none')
    await this.#primary.height()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

function isOfFront(fault: Fault): boolean {
  return fault === 'RST' || fault === 'TLS-dead'
}
