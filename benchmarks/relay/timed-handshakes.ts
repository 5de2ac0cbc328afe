import { HandshakeLimit } from 'bitswap-protection/relay'

/** The usual limit, which also tells how long handshakes took, and how many were under way at once. */
export class TimedHandshakes extends HandshakeLimit {
  readonly #tookMs: number[] = []
  #most = 0

  /** How long each that succeeded took from the start of its connection, in ms, without the wait for its turn. */
  get tookMs(): readonly number[] {
    return this.#tookMs
  }

  /** The most that were under way at once. */
  get most(): number {
    return this.#most
  }

  override run<Value>(handshake: () => Promise<Value>, signal: AbortSignal): Promise<Value> {
    return super.run(async () => {
      this.#most = Math.max(this.#most, this.underWay)
      const startMs = performance.now()
      const value = await handshake()
      this.#tookMs.push(performance.now() - startMs)
      return value
    }, signal)
  }
}
