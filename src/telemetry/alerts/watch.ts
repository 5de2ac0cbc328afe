import type { Alert } from './alert.ts'
import { Hysteresis, type HysteresisOptions } from './hysteresis.ts'

/** What is watched, and when it is bad; `false` for what is not watched. */
export type Limits<Name extends Alert['name']> = Readonly<Record<Name, HysteresisOptions | false>>

/** What is found, by the same names; `undefined` for what is not known. */
export type Values<Name extends Alert['name']> = Readonly<Record<Name, number | undefined>>

/** Watches one endpoint, or one node and its peers. */
export class Watch<Name extends Alert['name']> {
  readonly #subject: string
  readonly #rules: ReadonlyArray<{
    readonly name: Name
    readonly badAbove: number
    readonly state: Hysteresis
  }>
  readonly #firing = new Map<Name, Alert>()

  constructor(subject: string, limits: Limits<Name>) {
    this.#subject = subject
    this.#rules = (Object.keys(limits) as Name[]).flatMap(name => {
      const options: HysteresisOptions | false = limits[name]
      return options === false ? [] : [{ name, badAbove: options.badAbove, state: new Hysteresis(options) }]
    })
  }

  /** What is wrong now. */
  get firing(): Iterable<Alert> {
    return this.#firing.values()
  }

  /** Takes what was found; returns what is told as other than before. @param wallTimeMs - now, in ms since 1970 */
  look(values: Values<Name>, nowMs: number, wallTimeMs: number): Alert[] {
    const told: Alert[] = []
    for (const { name, badAbove, state } of this.#rules) {
      const value = values[name]
      if (!state.look(value, nowMs)) continue
      const alert = Object.freeze({
        name,
        subject: this.#subject,
        isFiring: state.isFiring,
        value: value!,
        threshold: badAbove,
        since: wallTimeMs
      })
      if (alert.isFiring) this.#firing.set(name, alert)
      else this.#firing.delete(name)
      told.push(alert)
    }
    return told
  }
}
