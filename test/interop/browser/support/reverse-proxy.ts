import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A proxy that has another server in a folder of its own, as people have who run several behind one name. */
export class ReverseProxy implements AsyncDisposable {
  readonly #server: Server

  constructor(folder: string, target: string) {
    this.#server = createServer((incoming, response) => {
      if (!incoming.url!.startsWith(`${folder}/`)) {
        response.writeHead(404).end()
        return
      }
      const { method, headers } = incoming
      const url = new URL(incoming.url!.slice(folder.length), target)
      const forwarded = request(url, { method, headers }, answer => {
        response.writeHead(answer.statusCode!, answer.headers)
        answer.pipe(response)
      })
      forwarded.on('error', () => response.destroy())
      response.on('close', () => forwarded.destroy())
      incoming.pipe(forwarded)
    })
  }

  /** @returns where it is */
  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
