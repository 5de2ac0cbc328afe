import { createServer } from 'node:net'

/** Below the ports that systems give to outgoing connections, so that nobody takes one while its program restarts. */
const FIRST = 20_000
const COUNT = 10_000

let tried = Math.floor(Math.random() * COUNT)

/** A port on 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < COUNT; tries++) {
    const port = FIRST + (tried++ % COUNT)
    if (await isFree(port)) return port
  }
  throw new Error('No port is free')
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
