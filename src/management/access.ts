import { createHash, timingSafeEqual } from 'node:crypto'
import { isLoopback } from '../telemetry/loopback.ts'
import { Problem } from './problem.ts'

/** What of a request says who sent it. */
export interface Visitor {
  /** The host it was sent to, as the client says. */
  readonly host: string
  /** The header `x-auth-token`, or what is after `Bearer` in `authorization`. */
  readonly token: string | undefined
}

/** Who may do what. */
export class Access {
  readonly #digest: Buffer | undefined

  /** @param authToken - what has to be shown; without it everybody may look who is on this machine, and nobody steer */
  constructor(authToken: string | undefined) {
    this.#digest = authToken === undefined ? undefined : digestOf(authToken)
  }

  /** Whether steering is possible at all. */
  get canSteer(): boolean {
    return this.#digest !== undefined
  }

  /** @throws Problem if the visitor may not look */
  look({ host, token }: Visitor): void {
    if (this.#digest !== undefined) this.#check(token)
    // A page from elsewhere can have its own name stand for this machine (DNS rebinding); but it is told by that name.
    else if (!isLoopback(nameOf(host)))
      throw new Problem(
        'WRONG_HOST',
        'Without an authToken only requests to 127.0.0.1, ::1 or localhost are answered'
      )
  }

  /** @throws Problem if the visitor may not steer */
  steer({ token }: Visitor): void {
    if (this.#digest === undefined)
      throw new Problem('FORBIDDEN', 'Steering needs a server with an authToken')
    this.#check(token)
  }

  #check(token: string | undefined): void {
    if (token === undefined) throw new Problem('UNAUTHORIZED', 'The header X-Auth-Token is missing')
    // Digests are of the same length, and comparing them takes as long wherever they differ.
    if (!timingSafeEqual(digestOf(token), this.#digest!))
      throw new Problem('UNAUTHORIZED', 'The token in X-Auth-Token, or after Bearer, is wrong')
  }
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/** Without the port. */
function nameOf(host: string): string {
  return host.replace(/:\d+$/, '')
}
