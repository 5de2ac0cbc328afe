import { serveCommands } from '../../src/cli/swarm/serve-commands.ts'
import { ChannelCrowd } from './channel-crowd.ts'
import type { CrowdCommands } from './relay-commands.ts'

// The program that holds many channels, in a process of its own.

/** Opened once before, so that code and what is shared by all is there already. */
const WARM_UP_CHANNELS = 50

let crowd: ChannelCrowd

serveCommands<CrowdCommands>({
  async open(endpoint, root, count) {
    const first = new ChannelCrowd(endpoint, root, WARM_UP_CHANNELS)
    await first.open()
    await first.echo()
    first.close()
    crowd = new ChannelCrowd(endpoint, root, count)
    return crowd.open()
  },
  echo: () => crowd.echo(),
  close: () => crowd.close()
})
