import type { Display, Summary } from './display.ts'
import type { Happening } from './happening.ts'
import type { Snapshot } from './snapshot.ts'

/** For programs: objects of JSON on standard output, one a line, each with its `type`. */
export class JsonDisplay implements Display {
  readonly #timer: NodeJS.Timeout

  /** @param everyMs - how often it tells how things stand */
  constructor(snapshot: () => Snapshot, everyMs: number) {
    this.#timer = setInterval(() => print({ type: 'status', ...snapshot() }), everyMs)
  }

  tell(happening: Happening): void {
    print({ type: 'event', ...happening })
  }

  conclude(summary: Summary): void {
    clearInterval(this.#timer)
    print({ type: 'summary', ...summary })
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

function print(object: object): void {
  process.stdout.write(`${JSON.stringify(object)}\n`)
}
