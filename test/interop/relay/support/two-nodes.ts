import { SecureChannel, type SecureChannelOptions } from '../../../../src/relay/index.ts'
import { Authority } from '../../../relay/support/certificates.ts'
import { BcoinNode } from './bcoin-node.ts'
import { FaultyLine } from './faulty-line.ts'
import { Stunnel } from './stunnel.ts'

/** Two nodes behind TLS, a line to the first that can break, and a channel to both. */
export class TwoNodes implements AsyncDisposable {
  readonly primary: BcoinNode
  readonly backup: BcoinNode
  /** To the primary one. */
  readonly line: FaultyLine
  readonly channel: SecureChannel
  readonly #stack: AsyncDisposableStack

  /** @param areConnected - whether the nodes know one another, and have the same chain */
  static async start(areConnected: boolean, options: Partial<SecureChannelOptions> = {}): Promise<TwoNodes> {
    await using stack = new AsyncDisposableStack()
    const authority = await Authority.create()
    const identity = await authority.issue({ addresses: ['127.0.0.1'] })
    const primary = stack.use(await BcoinNode.start())
    const backup = stack.use(await BcoinNode.start({ connectTo: areConnected ? [primary] : [] }))
    const tunnels = stack.use(
      await Stunnel.start({
        primary: { identity, to: primary.rpcPort },
        backup: { identity, to: backup.rpcPort }
      })
    )
    const port = Number(tunnels.endpoint('primary').split(':')[1])
    const line = stack.use(await FaultyLine.start(port))
    const [username, password] = primary.credentials.split(':')
    const node = (address: string) => ({ address, username, password })
    const channel = new SecureChannel({
      primaryNodes: [node(line.endpoint)],
      backupNodes: [node(tunnels.endpoint('backup'))],
      tls: { roots: [authority.certificate] },
      ...options
    })
    stack.defer(() => channel.close())
    return new TwoNodes(primary, backup, line, channel, stack.move())
  }

  private constructor(
    primary: BcoinNode,
    backup: BcoinNode,
    line: FaultyLine,
    channel: SecureChannel,
    stack: AsyncDisposableStack
  ) {
    this.primary = primary
    this.backup = backup
    this.line = line
    this.channel = channel
    this.#stack = stack
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}
