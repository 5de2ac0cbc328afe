import { SecureChannel } from 'bitswap-protection/relay'
import { Pool } from 'undici'

/** Somebody who asks nodes for their height. */
export interface HeightClient extends AsyncDisposable {
  height(): Promise<number>
}

/** How nodes let us in. */
export interface Access {
  /** Who has signed the certificates of all that is connected to, as PEM. */
  readonly root: string
  readonly username: string
  readonly password: string
}

/** How long a request may take, in ms, and connections of one client: what a secure channel has by default. */
const REQUEST_TIMEOUT_MS = 10_000
const CONNECTIONS = 8

/** Over two nodes as one. Ports are of 127.0.0.1. */
export async function ourClient(
  primaryPort: number,
  backupPort: number,
  { root, username, password }: Access
): Promise<HeightClient> {
  const node = (port: number) => ({ address: `127.0.0.1:${port}`, username, password })
  const channel = new SecureChannel({
    primaryNodes: [node(primaryPort)],
    backupNodes: [node(backupPort)],
    tls: { roots: [root] },
    maxConnections: CONNECTIONS,
    requestTimeoutMs: REQUEST_TIMEOUT_MS
  })
  await channel.start()
  return {
    height: async () => Number(await channel.execute({ method: 'getblockcount' })),
    [Symbol.asyncDispose]: () => channel.close()
  }
}

/** Of a proxy that does the rest: what one would use without this library. */
export function plainClient(port: number, { root, username, password }: Access): HeightClient {
  const pool = new Pool(`https://127.0.0.1:${port}`, {
    connections: CONNECTIONS,
    headersTimeout: REQUEST_TIMEOUT_MS,
    bodyTimeout: REQUEST_TIMEOUT_MS,
    connect: { ca: root }
  })
  const headers = {
    authorization: `Basic ${btoa(`${username}:${password}`)}`,
    'content-type': 'application/json'
  }
  const body = JSON.stringify({ method: 'getblockcount', params: [], id: 1 })
  return {
    async height() {
      const response = await pool.request({ method: 'POST', path: '/', headers, body })
      if (response.statusCode !== 200) {
        await response.body.dump()
        throw new Error(`HTTP status ${response.statusCode}`)
      }
      const { result } = (await response.body.json()) as { readonly result: number }
      return result
    },
    [Symbol.asyncDispose]: () => pool.destroy()
  }
}
