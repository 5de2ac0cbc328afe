/** The rate is that of this much time, so that it neither flickers nor lags. */
const WINDOW_MS = 5000

/** Bytes per second, of late. */
export class RateMeter {
  readonly #samples: Array<{ atMs: number; bytes: number }> = []
  readonly #startedAtMs: number

  constructor(nowMs: number) {
    this.#startedAtMs = nowMs
  }

  add(bytes: number, nowMs: number): void {
    this.#samples.push({ atMs: nowMs, bytes })
  }

  bytesPerSecond(nowMs: number): number {
    while (this.#samples.length > 0 && this.#samples[0]!.atMs < nowMs - WINDOW_MS) this.#samples.shift()
    const bytes = this.#samples.reduce((sum, sample) => sum + sample.bytes, 0)
    const ms = Math.min(WINDOW_MS, nowMs - this.#startedAtMs)
    return ms <= 0 ? 0 : (bytes * 1000) / ms
  }
}
