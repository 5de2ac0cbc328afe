import { FaultyPeer } from './faulty-peer.ts'
import type { AnswerMessage, CommandMessage, PeerCommands } from './peer-commands.ts'

// The program that a peer of the rig is, in a process of its own; `RigPeer` runs it.

type Handlers = {
  [Name in keyof PeerCommands]: (
    ...args: Parameters<PeerCommands[Name]>
  ) => ReturnType<PeerCommands[Name]> | Promise<ReturnType<PeerCommands[Name]>>
}

const { promise: started, resolve: onStarted } = Promise.withResolvers<FaultyPeer>()

const handlers: Handlers = {
  async start(address) {
    const peer = await FaultyPeer.start(address)
    onStarted(peer)
    return peer.multiaddr
  },
  begin: async task => (await started).begin(task),
  setFault: async fault => (await started).setFault(fault),
  stats: async () => (await started).stats()
}

async function answer({ id, name, args }: CommandMessage): Promise<AnswerMessage> {
  try {
    const handle = handlers[name] as (...given: unknown[]) => unknown
    return { id, value: await handle(...args) }
  } catch (error) {
    return { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

// Ctrl-C reaches all processes of a terminal; what becomes of the peers then, their parent decides.
process.on('SIGINT', () => {})
process.once('disconnect', () => process.exit())
// It may have happened while this file was loaded.
if (!process.connected) process.exit()

process.on('message', async (command: CommandMessage) => {
  const message = await answer(command)
  if (process.connected) process.send!(message)
})
