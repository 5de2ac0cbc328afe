import { join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { SecureChannel } from '../../src/relay/index.ts'
import { Refusal, RpcServer } from '../relay/support/rpc-server.ts'

// The example is in JavaScript, as it has packages of its own. Its nodes need one of these and are not run here.

interface Parts {
  readonly createCertificate: (name: string) => Promise<{ certificate: string; key: string }>
  readonly Reader: new (
    channel: SecureChannel,
    onWaited: (ms: number) => void
  ) => {
    readonly reads: number
    readonly failures: readonly unknown[]
    start(everyMs: number): void
    stop(): Promise<void>
  }
  readonly Sender: new (
    channel: SecureChannel,
    onWaited: (ms: number) => void
  ) => {
    readonly sent: ReadonlyArray<{ txid: string }>
    readonly failures: readonly unknown[]
    send(transaction: { txid: string; hex: string }): Promise<void>
    sendAgain(): Promise<void>
  }
  readonly LongestWait: new () => { readonly longestMs: number; add(ms: number): void; take(): number }
}

const folder = resolve(import.meta.dirname, '../../examples/relay')

async function part<Name extends keyof Parts>(file: string, name: Name): Promise<Parts[Name]> {
  const module = (await import(join(folder, file))) as Parts
  return module[name]
}

/** A node with a certificate of the example, and a channel to it. */
async function connect(): Promise<{ node: RpcServer; channel: SecureChannel }> {
  const createCertificate = await part('certificates.js', 'createCertificate')
  const [own, other] = await Promise.all([createCertificate('one'), createCertificate('other')])
  const node = await RpcServer.start(
    { ...own, pin: '' },
    {
      getblockcount: () => 100,
      getmempoolentry: () => ({}),
      sendrawtransaction: hex => {
        if (hex === 'bad') throw new Refusal(-25, 'bad-txns')
        return `id of ${hex}`
      }
    }
  )
  const roots = [other.certificate, own.certificate]
  const channel = new SecureChannel({ primaryNodes: [node.endpoint], tls: { roots } })
  onTestFinished(async () => {
    await channel.close()
    await node[Symbol.asyncDispose]()
  })
  return { node, channel }
}

test('reads again and again, over a certificate that was just made', async () => {
  const { node, channel } = await connect()
  const waits: number[] = []
  const Reader = await part('reader.js', 'Reader')
  const reader = new Reader(channel, ms => waits.push(ms))
  reader.start(1)
  await expect.poll(() => reader.reads).toBeGreaterThan(3)
  await reader.stop()
  expect(reader.failures).toEqual([])
  expect(waits).toHaveLength(reader.reads)
  expect(node.asked).toHaveLength(reader.reads)
})

test('keeps transactions that were sent, and sends them again', async () => {
  const { node, channel } = await connect()
  const Sender = await part('wallet.js', 'Sender')
  const sender = new Sender(channel, () => {})
  for (const hex of ['aa', 'bad', 'bb']) await sender.send({ txid: `id of ${hex}`, hex })
  expect(sender.sent.map(({ txid }) => txid)).toEqual(['id of aa', 'id of bb'])
  expect(sender.failures).toHaveLength(1)
  await sender.sendAgain()
  const sent = node.asked.flatMap(({ messages: [message] }) =>
    message!.method === 'sendrawtransaction' ? message!.params : []
  )
  expect(sent).toEqual(['aa', 'bad', 'bb', 'aa', 'bb'])
})

test('knows the longest wait of a while, and of all', async () => {
  const LongestWait = await part('longest-wait.js', 'LongestWait')
  const wait = new LongestWait()
  for (const ms of [5, 9, 7]) wait.add(ms)
  expect([wait.take(), wait.take(), wait.longestMs]).toEqual([9, 0, 9])
})
